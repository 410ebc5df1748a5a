"""The title of a page stands in its addresses as well, and goes from them where it is excluded."""

from __future__ import annotations

import pytest

from notion_pipeline.rows.batch import RowSchema, to_batch
from notion_pipeline.rows.properties import Property

TITLE, NUMBER = Property("title", "Name", "title"), Property("abcd", "Age", "number")
ID = "259f4329e6f4490baa164106cf6a659e"


def page(address: object) -> dict[str, object]:
    return {"id": ID, "url": address, "public_url": address, "properties": {}}


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        (f"https://app.notion.com/p/On-leave-{ID}", f"https://app.notion.com/p/{ID}"),
        (f"https://www.notion.so/On-leave-{ID}?pvs=4", f"https://www.notion.so/{ID}"),
        (f"https://acme.notion.site/{ID}", f"https://acme.notion.site/{ID}"),
        (f"https://www.notion.so/acme/On-leave-{ID}", f"https://www.notion.so/acme/{ID}"),
        ("https://www.notion.so/On-leave", None),
        (None, None),
    ],
)
def test_address_is_kept_without_an_excluded_title(address: str | None, kept: str | None) -> None:
    row = to_batch([page(address)], RowSchema((NUMBER,), exclude=("Name",))).to_pylist()[0]
    assert (row["url"], row["public_url"]) == (kept, kept)


def test_address_is_as_it_was_where_the_title_is_not_excluded() -> None:
    address = f"https://app.notion.com/p/On-leave-{ID}"
    row = to_batch([page(address)], RowSchema((TITLE,), exclude=("Age",))).to_pylist()[0]
    assert row["url"] == address
