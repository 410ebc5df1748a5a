"""Query parameters: which ones an endpoint takes. Notion refuses a request with any other."""

from __future__ import annotations

from collections.abc import Iterable

from notion_pipeline.sandbox.model.errors import invalid, quoted

_LIST = ("start_cursor", "page_size")
_SOME_PROPERTIES = ("filter_properties", "filter_properties[]")
#: By path; those that are not named here take none.
_TAKEN: dict[str, tuple[str, ...]] = {
    "/v1/users": _LIST,
    "/v1/data_sources/{data_source_id}/query": _SOME_PROPERTIES,
    "/v1/data_sources/{data_source_id}/templates": (*_LIST, "name"),
    "/v1/pages/{page_id}": _SOME_PROPERTIES,
    "/v1/pages/{page_id}/markdown": ("include_transcript",),
    "/v1/pages/{page_id}/properties/{property_id}": _LIST,
    "/v1/blocks/{block_id}/children": _LIST,
    "/v1/comments": (*_LIST, "block_id"),
}


def check_parameters(path: str, given: Iterable[tuple[str, str]]) -> None:
    """Let pass the parameters that the endpoint with this path takes.

    Raises:
        NotionError: 400 for any other.
    """
    for name, value in given:
        if name not in _TAKEN.get(path, ()):
            problem = f"query.{name} should be not present, instead was `{quoted(value)}`."
            raise invalid(f"query failed validation: {problem}")
