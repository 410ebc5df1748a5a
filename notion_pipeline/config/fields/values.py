"""Checks single values of sources.yaml: dates, spans, time zones, names and paths.

Each function returns the value as the pipeline uses it, or raises ValueError with what was found and what is allowed;
yaml_file.py adds the file and the key path.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

from notion_pipeline.messages import nearest, quoted
from notion_pipeline.redaction import redacted
from notion_pipeline.rows.text.timestamps import read_iso

MAX_DESCRIPTION = 140
MAX_TABLE_NAME = 200
MAX_PREFIX = 50
SOURCE_NAME = r"^[a-z][a-z0-9_]{0,30}$"
RESERVED_TABLES = frozenset({"database", "databases"})
# Schemas that every DuckDB file has, and the two catalogs whose names would hide a schema of the same name.
DUCKDB_SCHEMAS = frozenset({"main", "information_schema", "pg_catalog", "system", "temp"})

# What Dagster allows as owners and tags of assets; a test compares both.
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
_TEAM = "team:"
_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")
_TAGS_OF_DAGSTER = "dagster/"
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/(?!\.{1,2}(/|$))[A-Za-z0-9!_.*'()=-]+)*/?")
_SPAN = re.compile(r"(\d{1,6}) ?([dhm])", re.ASCII)
_SPAN_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_START_DATE_ALLOWED = "a date such as 2024-01-31, or a time with its offset such as 2024-01-31T08:30:00+01:00"


def parse_start_date(value: object) -> datetime | None:
    """The minute of a start date in UTC; a date alone means midnight in UTC."""
    if value is None:
        return None
    moment = _moment(value)
    if moment is None:
        raise ValueError(f"found {quoted(value)}, allowed: {_START_DATE_ALLOWED}")
    if moment.tzinfo is None:
        raise ValueError(f"found {quoted(value)}, a time without its offset; allowed: {_START_DATE_ALLOWED}")
    try:
        return moment.astimezone(timezone.utc).replace(second=0, microsecond=0)
    except OverflowError:
        raise ValueError(f"found {quoted(value)}, which is outside the calendar in UTC") from None


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time(), timezone.utc)
    if not isinstance(value, str):
        return None
    found = read_iso(value.strip())
    if found is None:
        return None
    if not found.has_time:
        return found.local.replace(tzinfo=timezone.utc)
    try:
        return found.local.replace(tzinfo=None if found.offset is None else timezone(found.offset))
    except ValueError:  # an offset of a day or more
        return None


def parse_span(value: object) -> timedelta | None:
    """A span such as 7d, 12h or 30m, a day being 24 hours; None for `never`."""
    if isinstance(value, timedelta):
        return value
    if value == "never":
        return None
    match = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match or int(match[1]) == 0:
        raise ValueError(f"found {quoted(value)}, allowed: days, hours or minutes such as 7d, 12h or 30m, or never")
    return int(match[1]) * _SPAN_UNITS[match[2]]


def check_time_zone(name: str) -> str:
    """The name of a time zone that this machine knows."""
    try:
        return ZoneInfo(name).key
    except (LookupError, OSError, ValueError):  # unknown; a folder of zones such as Europe; a path
        near = nearest(name, sorted(available_timezones()))
    hint = f', nearest is "{near}"' if near else ", allowed: a name such as Europe/Paris"
    raise ValueError(f"found {quoted(name)}, no time zone{hint}")


def check_source_name(name: str) -> str:
    """A name that can be part of names of assets, jobs and a DuckDB schema."""
    if not re.fullmatch(SOURCE_NAME, name):
        raise ValueError(
            f"found {quoted(name)}, allowed: a lower-case letter, then at most 30 lower-case letters, digits or _"
        )
    if name.endswith("_full"):
        raise ValueError(f'found {quoted(name)}, must not end in "_full", which is kept for the names of full syncs')
    if name in DUCKDB_SCHEMAS:
        raise ValueError(f"found {quoted(name)}, a name that DuckDB keeps for itself; choose another")
    return name


def check_description(text: str) -> str:
    """A description that fits where Dagster shows it."""
    if len(text) > MAX_DESCRIPTION:
        raise ValueError(f"found {len(text)} characters, allowed: at most {MAX_DESCRIPTION}")
    return text


def check_owner(text: str) -> str:
    """The owner of an asset, as Dagster allows it: an e-mail address, or a team."""
    if _EMAIL.fullmatch(text) or (text.startswith(_TEAM) and len(text) > len(_TEAM) and text.isprintable()):
        return text
    raise ValueError(f"found {quoted(text)}, allowed: an e-mail address such as ana@example.com, or team: and a name")


def check_tag_key(key: str) -> str:
    """The key of a tag, as Dagster allows it."""
    if key.startswith(_TAGS_OF_DAGSTER):
        raise ValueError(
            f'found {quoted(key)}, must not begin with "{_TAGS_OF_DAGSTER}", which Dagster keeps for itself'
        )
    if not _TAG_KEY.fullmatch(key):
        raise ValueError(
            f"found {quoted(key)}, allowed: at most 63 letters, digits, _ - or ., after a prefix and / or not"
        )
    return key


def check_tag_value(value: str) -> str:
    """The value of a tag, as Dagster allows it; empty for a tag that is only a label."""
    if not _TAG_VALUE.fullmatch(value):
        raise ValueError(f"found {quoted(value)}, allowed: at most 63 letters, digits, _ - or .")
    return value


def check_table(name: str) -> str:
    """A table name that the user chose. SQL quotes it, so nearly everything is allowed."""
    if not 0 < len(name) <= MAX_TABLE_NAME or not name.isprintable():
        raise ValueError(f"found {quoted(name)}, allowed: 1 to {MAX_TABLE_NAME} printable characters")
    if name.lower() in RESERVED_TABLES:
        raise ValueError(f"found {quoted(name)}, a name that is kept for the list of databases; choose another")
    return name


def check_prefix(text: str) -> str:
    """The prefix of table names; empty for none."""
    if len(text) > MAX_PREFIX or not text.isprintable():
        raise ValueError(f"found {quoted(text)}, allowed: at most {MAX_PREFIX} printable characters")
    return text


def check_path(text: str) -> str:
    """The path of a file, and not an address such as `md:` or `postgres:`."""
    if not text or not text.isprintable():
        raise ValueError(f"found {quoted(text)}, allowed: a path, relative ones from the project root on")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", text):
        raise ValueError(f"found {quoted(text)}, allowed: the path of a DuckDB file; addresses are not supported")
    return text


def check_storage(text: str) -> str:
    """A folder, or a bucket of S3 with a folder in it."""
    if not text.lower().startswith("s3:"):
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", text):
            raise ValueError(f"found {quoted(redacted(text))}, allowed: a folder, or s3://bucket/folder")
        return check_path(text)
    if not _BUCKET.fullmatch(text):
        # Before an @ stands what is secret.
        found = "an address with a key in it" if "@" in text else quoted(redacted(text))
        raise ValueError(f"found {found}, allowed: s3://bucket/folder, with the key in the environment and not here")
    return text.rstrip("/")


def check_variable(name: str) -> str:
    """The name of an environment variable. A refused value is not in the message: it may be the token itself."""
    if not _VARIABLE_NAME.fullmatch(name) or redacted(name) != name:
        raise ValueError("must be the name of an environment variable, such as NOTION_TOKEN")
    return name
