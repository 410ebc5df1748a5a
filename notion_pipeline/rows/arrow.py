"""Makes Arrow arrays of lists of plain values, by way of their buffers.

`pa.array` does the same, but imports pandas, where it is installed, to see whether a list is a pandas object: 50 MB and
some tenths of a second in every sync.
"""

from __future__ import annotations

from array import array as machine_values
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

from notion_pipeline.rows.text.json_text import valid_text

_CODES = {"int64": "q", "int32": "i", "double": "d"}


def arrow_array(rows: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """The rows, None as NULL.

    Args:
        rows: Values that fit the type: timestamps as microseconds, structs as tuples, lists as lists.
        kind: int32, int64, double, boolean, string, timestamp, or a list or struct of these.
    """
    if pa.types.is_list(kind):
        offsets = list(accumulate((len(row) if row else 0 for row in rows), initial=0))
        items = arrow_array(list(chain.from_iterable(row for row in rows if row)), kind.value_type)
        return pa.ListArray.from_arrays(arrow_array(offsets, pa.int32()), items, type=kind, mask=_mask(rows))
    if pa.types.is_struct(kind):
        nothing = (None,) * kind.num_fields
        columns = list(zip(*(row or nothing for row in rows), strict=True)) or [()] * kind.num_fields
        arrays = [arrow_array(column, field.type) for column, field in zip(columns, kind, strict=True)]
        return pa.StructArray.from_arrays(arrays, fields=list(kind), mask=_mask(rows))
    return pa.Array.from_buffers(kind, len(rows), [_validity(rows), *_data(rows, kind)])


def _data(rows: Sequence[Any], kind: pa.DataType) -> list[pa.Buffer]:
    if pa.types.is_string(kind):
        texts = _encoded(rows)
        offsets = machine_values("i", accumulate(map(len, texts), initial=0))
        return [pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))]
    if pa.types.is_boolean(kind):
        return [_bits([row is True for row in rows])]
    code = "q" if pa.types.is_timestamp(kind) else _CODES[str(kind)]
    return [pa.py_buffer(machine_values(code, [0 if row is None else row for row in rows]))]


def _encoded(rows: Sequence[str | None]) -> list[bytes]:
    try:
        return [b"" if row is None else row.encode() for row in rows]
    except UnicodeEncodeError:
        return [b"" if row is None else valid_text(row).encode() for row in rows]


def _validity(rows: Sequence[Any]) -> pa.Buffer | None:
    """The bitmap of the rows that are not NULL; None if no row is NULL."""
    there = [row is not None for row in rows]
    return None if all(there) else _bits(there)


def _mask(rows: Sequence[Any]) -> pa.Array | None:
    """True for each NULL; None if no row is NULL."""
    missing = [row is None for row in rows]
    return pa.Array.from_buffers(pa.bool_(), len(rows), [None, _bits(missing)]) if any(missing) else None


def _bits(flags: list[bool]) -> pa.Buffer:
    """One bit a flag, the first one lowest, as Arrow has them."""
    digits = "".join(["1" if flag else "0" for flag in reversed(flags)])
    return pa.py_buffer(int(digits or "0", 2).to_bytes((len(flags) + 7) // 8, "little"))
