"""An asset that embeds new and changed chunks, and a search over them, both in DuckDB.

Vectors are kept in a file of their own by the hash of their chunk's text: a text is embedded once, whichever page it
stands on, and a page that changed costs only the chunks that differ.
"""

import os
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from examples.search.models import chosen_model
from notion_pipeline import CatalogResource

CONTENT = dg.AssetKey(["notion", "content"])
#: Texts embedded and committed at a time.
BATCH = 500


def vectors_file() -> Path:
    return Path(os.environ.get("SEARCH_VECTORS", "search.duckdb"))


@dg.asset(deps=[CONTENT], automation_condition=dg.AutomationCondition.eager(), group_name="search")
def chunk_vectors(notion_catalog: CatalogResource) -> dg.MaterializeResult:
    """Runs when content was read; embeds the chunks that have no vector yet, and forgets those that are gone."""
    with notion_catalog.read() as catalog:
        texts = dict(catalog.execute("SELECT DISTINCT content_hash, text FROM notion.page_chunks").fetchall())
    model = chosen_model()
    with duckdb.connect(str(vectors_file())) as vectors:
        vectors.execute("CREATE TABLE IF NOT EXISTS vectors (model VARCHAR, content_hash VARCHAR, vector FLOAT[])")
        known = {
            row[0]
            for row in vectors.execute(
                "FROM (SELECT content_hash, model FROM vectors) WHERE model = ?", [model.name]
            ).fetchall()
        }
        missing = sorted(texts.keys() - known)
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            found = model.embed([texts[key] for key in batch])
            vectors.executemany(
                "INSERT INTO vectors VALUES (?, ?, ?)",
                [(model.name, *entry) for entry in zip(batch, found, strict=True)],
            )
        vectors.execute(
            "DELETE FROM vectors WHERE model <> ? OR content_hash NOT IN (SELECT unnest(?::VARCHAR[]))",
            [model.name, list(texts)],
        )
    return dg.MaterializeResult(metadata={"chunks": len(texts), "embedded": len(missing), "model": model.name})


def search(question: str, catalog: duckdb.DuckDBPyConnection, *, limit: int = 5) -> list[dict[str, Any]]:
    """The chunks nearest to a question, the best first, each with its page.

    Args:
        catalog: A connection that may attach files: one of `CatalogResource.read`, or of `duckdb.connect`.
    """
    model = chosen_model()
    (vector,) = model.embed([question])
    size = len(vector)
    file = str(vectors_file().resolve()).replace("'", "''")
    catalog.execute(f"ATTACH IF NOT EXISTS '{file}' AS search (READ_ONLY)")
    found = catalog.execute(
        f"""
        SELECT p.title, p.url, c.heading_path, c.text,
               array_cosine_similarity(v.vector::FLOAT[{size}], ?::FLOAT[{size}]) AS score
        FROM notion.page_chunks c
        JOIN notion.page_content p USING (page_id)
        JOIN search.vectors v ON v.content_hash = c.content_hash AND v.model = ?
        ORDER BY score DESC, c.page_id, c.ordinal
        LIMIT {limit}
        """,
        [vector, model.name],
    )
    names = [column[0] for column in found.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    catalog.execute("DETACH search")
    return rows
