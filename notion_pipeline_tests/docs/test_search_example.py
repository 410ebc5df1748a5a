"""The example of a search by vectors: incremental, and it finds what was asked for."""

from __future__ import annotations

import importlib
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from examples.search.embeddings import chunk_vectors, search
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.whole_way import SCHEMA, Pipeline, later, synced


def embed(pipeline: Pipeline) -> dict[str, object]:
    """Materializes the asset; the numbers that it reports."""
    definitions = dg.Definitions.merge(build_definitions(pipeline.project), dg.Definitions(assets=[chunk_vectors]))
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(asset_selection={chunk_vectors.key})
    result = job.execute_in_process(instance=pipeline.instance)
    (event,) = result.asset_materializations_for_node("chunk_vectors")
    return {name: entry.value for name, entry in event.metadata.items()}


def test_only_new_and_changed_chunks_are_embedded_and_found(
    pipeline: Pipeline, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEARCH_VECTORS", str(tmp_path / "vectors" / ".." / "search.duckdb"))
    (tmp_path / "vectors").mkdir()
    monkeypatch.delenv("EMBEDDING_MODEL", raising=False)
    tasks = workspace.add_database("Tasks", SCHEMA).data_source
    texts = ("The customer wants a refund.", "The tent leaks at the seam.", "Shoes of another size were sent.")
    pages = [tasks.add_page({"Name": text[:9]}, content=text) for text in texts]
    later(workspace, hours=1)
    content = "{chunks: true, pages: false, users: false}"
    pipeline.configure(f"sources: [{{name: notion, account: {{type: token}}, content: {content}}}]")
    synced(pipeline)
    synced(pipeline, "notion_content")
    assert embed(pipeline) == {"chunks": 3, "embedded": 3, "model": "words-256"}
    assert embed(pipeline)["embedded"] == 0

    workspace.set_content(pages[1], "The tent was repaired.")
    workspace.edit_page(pages[1], {"Effort": 1})
    later(workspace, hours=1)
    synced(pipeline)
    synced(pipeline, "notion_content")
    assert embed(pipeline) == {"chunks": 3, "embedded": 1, "model": "words-256"}
    with catalogs.reading(pipeline.project.root) as catalog:
        found = search("refunds for a customer", catalog, limit=2)
        assert search("repairing the tent", catalog, limit=1)[0]["text"] == "The tent was repaired."
    assert [row["text"] for row in found][:1] == [texts[0]]
    assert found[0]["score"] > found[1]["score"]
    with duckdb.connect(str(tmp_path / "search.duckdb"), read_only=True) as vectors:
        assert vectors.execute("SELECT count(*) FROM vectors").fetchall() == [(3,)]


def test_a_model_of_model2vec_makes_the_vectors(
    pipeline: Pipeline, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a model made here of a few words, since the one that the docs name is downloaded."""
    model2vec = pytest.importorskip("model2vec", reason="model2vec is not installed")
    numpy, tokenizers = importlib.import_module("numpy"), importlib.import_module("tokenizers")
    texts = ("The customer wants a refund", "The tent leaks at the seam")
    words = sorted({word for text in texts for word in text.split()})
    vocabulary = {"[UNK]": 0, **{word: number for number, word in enumerate(words, 1)}}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    vectors = numpy.eye(len(vocabulary), dtype=numpy.float32)
    vectors[0] = 0
    model2vec.StaticModel(vectors, tokenizer).save_pretrained(str(tmp_path / "model"))
    monkeypatch.setenv("EMBEDDING_MODEL", str(tmp_path / "model"))
    monkeypatch.setenv("SEARCH_VECTORS", str(tmp_path / "search.duckdb"))
    tasks = workspace.add_database("Tasks", SCHEMA).data_source
    for text in texts:
        tasks.add_page({"Name": text[:9]}, content=text)
    later(workspace, hours=1)
    content = "{chunks: true, pages: false, users: false}"
    pipeline.configure(f"sources: [{{name: notion, account: {{type: token}}, content: {content}}}]")
    synced(pipeline)
    synced(pipeline, "notion_content")
    assert embed(pipeline) == {"chunks": 2, "embedded": 2, "model": str(tmp_path / "model")}
    with duckdb.connect(str(pipeline.project.root / "catalog.duckdb"), read_only=True) as catalog:
        assert [search(text, catalog, limit=1)[0]["text"] for text in texts] == list(texts)
