"""Arrays built from buffers are those that pyarrow builds, and conversion loads nothing heavy for it."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notion_pipeline.catalog.memory import few_collections, give_back_memory
from notion_pipeline.rows.arrow import arrow_array
from notion_pipeline.rows.column_types import DATE, PEOPLE
from notion_pipeline.rows.column_types import TEXTS as LISTS
from notion_pipeline_tests.support.patience import PATIENCE

TEXTS = st.text(max_size=12)
INSTANTS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), TEXTS),
    "boolean": (pa.bool_(), st.booleans()),
    "number": (pa.float64(), st.floats(allow_nan=False)),
    "count": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "place": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "instant": (pa.timestamp("us", "UTC"), INSTANTS),
    "names": (LISTS.arrow, st.lists(TEXTS | st.none(), max_size=4)),
    "people": (PEOPLE.arrow, st.lists(st.tuples(TEXTS, TEXTS | st.none(), TEXTS | st.none()), max_size=3)),
    "date": (DATE.arrow, st.tuples(INSTANTS, INSTANTS | st.none(), st.booleans(), TEXTS | st.none())),
}


@pytest.mark.parametrize("name", sorted(VALUES))
@given(data=st.data())
def test_array_is_the_one_that_pyarrow_builds(name: str, data: st.DataObject) -> None:
    kind, values = VALUES[name]
    rows = data.draw(st.lists(values | st.none(), max_size=20))
    found = arrow_array(rows, kind)
    found.validate(full=True)
    assert found.equals(pa.array(rows, kind))
    assert found.null_count == rows.count(None)


def test_halves_of_surrogate_pairs_are_replaced() -> None:
    assert arrow_array(["a\ud800b", None, "c"], pa.string()).to_pylist() == ["a\ufffdb", None, "c"]


def test_conversion_does_not_import_pandas() -> None:
    script = (
        "import sys\n"
        "from notion_pipeline.rows.properties import Property\n"
        "from notion_pipeline.rows.batch import RowSchema, to_batch\n"
        "to_batch([{'id': 'a', 'properties': {}}], RowSchema((Property('t', 'Tags', 'multi_select'),)))\n"
        "assert 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=PATIENCE)


def test_garbage_is_collected_as_before_once_the_reads_are_in() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with few_collections():
        assert gc.get_threshold()[0] > before[0]
        assert gc.get_freeze_count() > frozen
        with few_collections():
            assert gc.get_freeze_count() > frozen
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_memory_is_given_back_wherever_the_c_library_can() -> None:
    give_back_memory()
