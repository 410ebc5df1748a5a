"""sources.yaml: what it may say, what it means, and the one line that names what is wrong with it."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta, timezone

import duckdb
import pytest
from pydantic import ValidationError

from notion_pipeline.config import sources as config
from notion_pipeline.config.account import EnvReference
from notion_pipeline.config.fields.values import DUCKDB_SCHEMAS
from notion_pipeline.config.sources import (
    Limits,
    OAuthAccount,
    Source,
    Sources,
    StreamSettings,
    SyncType,
    TokenAccount,
    Watch,
    load_sources,
    parse_sources,
    resolve_token,
)
from notion_pipeline.errors import ConfigError
from notion_pipeline.project import find_project

ID = "1f0c2d3e-4a5b-6c7d-8e9f-0a1b2c3d4e5f"
TOKEN = "ntn_12345678901abcdefghijkl"
DEFAULT = Source(name="notion", account=TokenAccount())

CONTRACT_EXAMPLE = """
catalog: catalog.duckdb
publish: null
sources:
  - name: notion
    description: Product team workspace
    account: {type: token, token: {env: NOTION_TOKEN}}
    start_date: 2024-01-01
    select: ["*"]
    deselect: ["Archive*"]
    table_prefix: ""
    sync_type: INCREMENTAL
    deleted_rows: remove
    full_sync_every: 7d
    lookback_minutes: 5
    streams:
      "Tasks": {table: tasks, sync_type: FULL_TABLE, exclude_properties: [Salary]}
    schedule: "0 6 * * *"
    full_sync_schedule: "0 3 * * 0"
    timezone: Europe/Paris
    watch: {every_seconds: 60}
    limits: {concurrent_requests: 8, requests_per_minute: null}
"""


@pytest.fixture
def message(load):
    """The one line that names what is wrong with a sources.yaml."""

    def message_of(text):
        with pytest.raises(ConfigError) as caught:
            load(text)
        error = caught.value
        assert error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None
        assert "\n" not in str(error)
        assert str(error).endswith(".")
        return str(error)

    return message_of


def sales(rest, account="{type: token}"):
    """A sources.yaml with one source `sales`, its further keys on one line."""
    return f"sources: [{{name: sales, account: {account}, {rest}}}]"


# What the keys mean


def test_every_key_of_the_contract_is_read(load):
    sources = load(CONTRACT_EXAMPLE)
    assert sources == Sources(
        catalog="catalog.duckdb",
        publish=None,
        sources=(
            Source(
                name="notion",
                description="Product team workspace",
                account=TokenAccount(token=EnvReference(env="NOTION_TOKEN")),
                start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
                select=("*",),
                deselect=("Archive*",),
                table_prefix="",
                sync_type=SyncType.INCREMENTAL,
                deleted_rows="remove",
                full_sync_every=timedelta(days=7),
                lookback_minutes=5,
                streams={
                    "Tasks": StreamSettings(
                        table="tasks", sync_type=SyncType.FULL_TABLE, exclude_properties=("Salary",)
                    )
                },
                schedule=("0 6 * * *",),
                full_sync_schedule=("0 3 * * 0",),
                timezone="Europe/Paris",
                watch=Watch(every_seconds=60),
                limits=Limits(concurrent_requests=8, requests_per_minute=None),
            ),
        ),
    )


def test_every_key_but_name_and_account_is_optional(load):
    assert load("sources: [{name: notion, account: {type: token}}]") == Sources(sources=(DEFAULT,))
    assert DEFAULT.select == ("*",)
    assert DEFAULT.sync_type is SyncType.INCREMENTAL
    assert DEFAULT.full_sync_every == timedelta(days=7)
    assert DEFAULT.lookback_minutes == 5
    assert DEFAULT.watch is None
    assert DEFAULT.start_date is None
    assert DEFAULT.timezone == "UTC"
    assert DEFAULT.limits == Limits(concurrent_requests=8, requests_per_minute=None)


def test_keys_without_a_value_mean_the_same_as_no_keys(load):
    empty = "description, start_date, deselect, table_prefix, streams, schedule, full_sync_schedule, watch, limits"
    assert load(f"catalog:\npublish:\n{sales(empty)}").sources == (DEFAULT.model_copy(update={"name": "sales"}),)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "catalog: catalog.duckdb", "\ufeff# with a mark"])
def test_a_file_that_names_no_sources_means_the_default_source(load, text):
    assert load(text) == Sources(sources=(DEFAULT,))


def test_without_a_file_there_is_one_source_notion(tmp_path):
    sources = load_sources(find_project(tmp_path, {}))
    assert sources == Sources(sources=(DEFAULT,))
    assert sources.sources[0].account == TokenAccount(token=EnvReference(env="NOTION_TOKEN"))


def test_a_file_that_a_variable_names_must_be_there(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_sources(find_project(tmp_path, {"NOTION_PIPELINE_SOURCES": "mine.yaml"}))
    assert str(caught.value) == "mine.yaml: there is no such file, but NOTION_PIPELINE_SOURCES names it."


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024-01-31", (2024, 1, 31, 0, 0)),
        ('"2024-01-31"', (2024, 1, 31, 0, 0)),
        ("2024-01-31T08:30:59Z", (2024, 1, 31, 8, 30)),
        ("2024-01-31 08:30:59.999+02:00", (2024, 1, 31, 6, 30)),
        ('"2024-01-31T00:15+01:00"', (2024, 1, 30, 23, 15)),
    ],
)
def test_start_date_is_a_minute_in_utc(load, written, meant):
    start_date = load(sales(f"start_date: {written}")).sources[0].start_date
    assert start_date == datetime(*meant, tzinfo=timezone.utc)
    assert start_date.tzinfo is timezone.utc


@pytest.mark.parametrize(
    ("written", "meant"),
    [("7d", timedelta(hours=168)), ("12h", timedelta(hours=12)), ("30m", timedelta(minutes=30)), ("never", None)],
)
def test_full_sync_every_is_a_span_or_never(load, written, meant):
    assert load(sales(f"full_sync_every: {written}")).sources[0].full_sync_every == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("false", None),
        ("null", None),
        ("true", Watch()),
        ("{}", Watch(every_seconds=60)),
        ("{every_seconds: 5}", Watch(every_seconds=5)),
    ],
)
def test_watch_is_off_or_has_an_interval(load, written, meant):
    assert load(sales(f"watch: {written}")).sources[0].watch == meant


def test_schedules_are_one_cron_or_several(load):
    source = load(sales('schedule: ["0 6 * * *", "@daily"], full_sync_schedule: "0 3 * * 0"')).sources[0]
    assert source.schedule == ("0 6 * * *", "@daily")
    assert source.full_sync_schedule == ("0 3 * * 0",)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{type: token}", TokenAccount()),
        ("{type: token, token: {env: OTHER}}", TokenAccount(token=EnvReference(env="OTHER"))),
        ("{token: {env: OTHER}}", TokenAccount(token=EnvReference(env="OTHER"))),
        ("{type: oauth, workspace: Acme Inc}", OAuthAccount(type="oauth", workspace="Acme Inc")),
    ],
)
def test_an_account_is_a_token_or_a_workspace(load, written, meant):
    assert load(sales("", account=written)).sources[0].account == meant


def test_merged_yaml_mappings_may_override_keys(load):
    sources = load(
        "sources:\n  - &first {name: a, account: {type: token}, schedule: 0 6 * * *}\n  - {<<: *first, name: b}\n"
    )
    assert [source.name for source in sources.sources] == ["a", "b"]
    assert sources.sources[1].schedule == ("0 6 * * *",)


def test_values_are_frozen():
    with pytest.raises(ValidationError):
        DEFAULT.name = "other"


# What is wrong with them


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (sales("start_dat: 2024-01-01"), 'sources[0] (sales): start_dat: unknown key, nearest is "start_date"'),
        ("catlog: x", 'catlog: unknown key, nearest is "catalog"'),
        ("schedule: x", "schedule: unknown key, allowed: catalog, data_path, lake, publish, state, staging, sources"),
        (sales("streams: {Tasks: {tabel: x}}"), 'streams["Tasks"].tabel: unknown key, nearest is "table"'),
        (sales("watch: {every: 1}"), "watch.every: unknown key, allowed: every_seconds"),
        (sales("limits: {concurent_requests: 1}"), 'unknown key, nearest is "concurrent_requests"'),
        (sales("", account="{type: token, token: {en: X}}"), 'account.token.en: unknown key, nearest is "env"'),
        (sales("", account="{type: oauth, workspce: X}"), 'account.workspce: unknown key, nearest is "workspace"'),
        (sales("true: 5"), "sources[0] (sales): found true, allowed: keys that are text"),
        (sales(f"description: {'x' * 141}"), "description: found 141 characters, allowed: at most 140"),
        (sales("sync_type: FULL"), 'sync_type: found "FULL", allowed: INCREMENTAL, FULL_TABLE'),
        (sales("streams: {A: {sync_type: full_table}}"), 'streams["A"].sync_type: found "full_table", allowed: INCREM'),
        (sales("deleted_rows: drop"), 'deleted_rows: found "drop", allowed: remove, mark'),
        (sales("start_date: 2024-02-30"), 'start_date: found "2024-02-30", allowed: a date such as'),
        (sales("start_date: 2024-01-01 10:00:00"), "a time without its offset; allowed: a date such as"),
        (sales("start_date: 0001-01-01T00:00+02:00"), "which is outside the calendar in UTC"),
        (sales("start_date: 20240101"), "start_date: found 20240101, allowed: a date"),
        (sales("full_sync_every: 7"), "full_sync_every: found 7, allowed: days, hours or minutes such as 7d"),
        (sales("full_sync_every: 0d"), 'full_sync_every: found "0d", allowed:'),
        (sales("full_sync_every: null"), "full_sync_every: found nothing, allowed:"),
        (sales('schedule: "0 6 * *"'), 'schedule: found "0 6 * *", 4 fields; allowed: five'),
        (sales('full_sync_schedule: ["0 6 * * *", "61 * * * *"]'), 'found "61 * * * *", where "61" is no minute'),
        (sales("timezone: Europe/Pari"), 'timezone: found "Europe/Pari", no time zone, nearest is "Europe/Paris"'),
        (sales("timezone: Europe"), 'timezone: found "Europe", no time zone'),
        (sales("timezone: ../../etc/passwd"), "no time zone, allowed: a name such as Europe/Paris"),
        (sales("watch: {every_seconds: 4}"), "watch.every_seconds: found 4, allowed: at least 5"),
        (sales("limits: {concurrent_requests: 65}"), "limits.concurrent_requests: found 65, allowed: at most 64"),
        (sales("limits: {requests_per_minute: 0}"), "limits.requests_per_minute: found 0, allowed: at least 1"),
        (sales("lookback_minutes: -1"), "lookback_minutes: found -1, allowed: at least 0"),
        (sales("lookback_minutes: true"), "lookback_minutes: found true, allowed: a whole number"),
        (sales('select: "*"'), 'select: found "*", allowed: a list'),
        (sales("select:"), "select: found nothing, allowed: a list"),
        (sales("select: [2024]"), "select[0]: found 2024, allowed: text, which in YAML may need quotes"),
        (sales("streams: {2024: {}}"), "streams[2024]: found 2024, allowed: text"),
        (sales("streams: {Tasks: 5}"), 'streams["Tasks"]: found 5, allowed: a mapping'),
        (sales("streams: {databases: {}}"), 'streams: the stream "databases" takes no settings'),
        (sales("streams: {A: {table: Databases}}"), 'streams["A"].table: found "Databases", a name that is kept'),
        (sales("streams: {A: {table: ''}}"), 'streams["A"].table: found "", allowed: 1 to 200 printable characters'),
        (sales(f"streams: {{A: {{table: {'x' * 201}}}}}"), "allowed: 1 to 200 printable characters"),
        (sales("streams: {A: {table: x}, B: {table: X}}"), 'streams: "A" and "B" have one table, "X"'),
        (
            sales(f"streams: {{{ID}: {{}}, database_{ID.replace('-', '')}: {{}}}}"),
            f'streams: "{ID}" and "database_{ID.replace("-", "")}" name one database, "{ID}"',
        ),
        (sales("", account="{type: oatuh}"), 'account.type: found "oatuh", allowed: token, oauth'),
        (sales("", account="{}"), "account.type: missing, allowed: token, oauth"),
        (sales("", account="{type: oauth}"), "account.workspace: missing"),
        ("sources: [{name: sales}]", "sources[0] (sales): account: missing"),
        ("sources: [{account: {type: token}}]", "sources[0]: name: missing"),
        ("sources: []", "sources: must not be empty"),
        ("sources:", "sources: found nothing, allowed: a list"),
        ("sources: {name: x}", "sources: found a mapping, allowed: a list"),
        ("catalog: md:sales", 'catalog: found "md:…", allowed: the path of a DuckDB file'),
        ("catalog: ''", 'catalog: found "", allowed: a path'),
        ("publish: catalog.duckdb", 'publish: found "catalog.duckdb", the catalog itself; name another file'),
        ("[]", 'must be a mapping with the key "sources", found a list'),
        ("just text", 'must be a mapping with the key "sources", found one value'),
    ],
)
def test_a_mistake_is_named_with_key_path_finding_and_what_is_allowed(message, text, line):
    said = message(text)
    assert said.startswith("sources.yaml: ")
    assert line in said


def test_the_line_for_a_typo_is_as_the_style_shows_it(message):
    assert message(sales("start_dat: 2024-01-01")) == (
        'sources.yaml: sources[0] (sales): start_dat: unknown key, nearest is "start_date".'
    )


def test_several_mistakes_are_named_in_one_line(message):
    assert message(sales("start_dat: 2024-01-01, sync_type: FULL, lookback_minutes: -1")) == (
        'sources.yaml: sources[0] (sales): sync_type: found "FULL", allowed: INCREMENTAL, FULL_TABLE; '
        "sources[0] (sales): lookback_minutes: found -1, allowed: at least 0; "
        'sources[0] (sales): start_dat: unknown key, nearest is "start_date".'
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("sources:\n  - name: a\n   account: x", "line 3, column 4: while parsing a block collection"),
        ("catalog: a\npublish: b\ncatalog: c", 'line 3, column 1: the key "catalog" is there already, in line 1'),
        (sales("streams: {Tasks: {}, 'Tasks': {}}"), 'line 1, column 70: the key "Tasks" is there already, in line 1'),
        ("catalog: a\nx: \x07", "line 2: has a character that YAML does not allow"),
        (b"catalog: \xff", "is not UTF-8 text"),
        ("? [a]\n: 1", "line 1, column 3: while constructing a mapping, found unhashable key"),
        ("--- {}\n--- {}", "line 2, column 1: expected a single document in the stream"),
        ("catalog: !!int x", "has a value that is not YAML"),
    ],
)
def test_what_is_no_yaml_is_named_with_its_line(message, text, line):
    assert message(text).startswith(f"sources.yaml: {line}")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "sources.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"^sources.yaml: cannot be read: Is a directory\.$"):
        load_sources(find_project(tmp_path, {}))


@pytest.mark.parametrize("name", ["notion", "a", "a" * 31, "sales_2", "full", "a_fuller", "x_"])
def test_names_of_sources(name):
    assert Source(name=name, account=TokenAccount()).name == name


@pytest.mark.parametrize(
    "name",
    ["Sales", "2sales", "_notion_pipeline", "a" * 32, "sälés", "a-b", "a b", "", "a\\n", "a_full", "main", "temp"],
)
def test_a_name_that_cannot_name_a_source_is_refused(message, name):
    assert "sources[0]" in message(f'sources: [{{name: "{name}", account: {{type: token}}}}]')


def test_every_schema_of_duckdbs_own_is_refused_as_a_name():
    with duckdb.connect() as connection:
        found = connection.sql("SELECT schema_name FROM duckdb_schemas() WHERE internal").fetchall()
        found += connection.sql("SELECT database_name FROM duckdb_databases() WHERE internal").fetchall()
    assert {name for (name,) in found} <= DUCKDB_SCHEMAS


def test_two_sources_of_one_name_are_refused(message):
    one = "{name: a, account: {type: token}}"
    assert message(f"sources: [{one}, {one}]") == (
        'sources.yaml: sources[1] (a): name: "a" is the name of sources[0] (a) already.'
    )


def test_two_sources_with_a_definition_of_one_name_are_refused(message):
    assert message("sources: [{name: a, account: {type: token}}, {name: a_full_sync, account: {type: token}}]") == (
        'sources.yaml: sources[1] (a_full_sync): name: "a_full_sync" and "a" would both have a schedule '
        '"a_full_sync_schedule"; rename one.'
    )


def test_sources_whose_names_only_begin_alike_stand_side_by_side(load):
    names = ["a", "a_sync", "a_schedule", "a_changes", "a_databases", "a_", "a__database"]
    text = ", ".join(f"{{name: {name}, account: {{type: token}}}}" for name in names)
    assert [source.name for source in load(f"sources: [{text}]").sources] == names


def test_a_source_is_found_by_name_and_a_typo_is_answered(load):
    sources = load("sources: [{name: sales, account: {type: token}}, {name: hr, account: {type: token}}]")
    assert sources.source("hr").name == "hr"
    with pytest.raises(ConfigError, match=r'^There is no source "sale", nearest is "sales"\.$'):
        sources.source("sale")
    with pytest.raises(ConfigError, match=r'^There is no source "x", there are: sales, hr\.$'):
        sources.source("x")


# Tokens


@pytest.mark.parametrize(
    "account",
    [
        TOKEN,
        f"{{type: token, token: {TOKEN}}}",
        f"{{type: token, token: {{env: {TOKEN}}}}}",
        f"{{type: token, token: {{env: 'x {TOKEN}'}}}}",
        f"{{type: token, token: {{value: {TOKEN}}}}}",
        f"{{type: token, token: [{TOKEN}]}}",
        f"{{type: token, {TOKEN}: 1}}",
        f"{{type: {TOKEN}}}",
        "{type: token, token: abc123}",
        "{type: token, token: {env: abc-123}}",
        "abc123",
    ],
)
def test_a_token_in_the_file_is_refused_and_not_repeated(message, account):
    said = message(sales("", account=account))
    assert TOKEN not in said
    assert "123" not in said


def test_a_token_in_the_file_is_answered_with_where_it_belongs(message):
    assert message(sales("", account="{type: token, token: abc}")) == (
        "sources.yaml: sources[0] (sales): account.token: a token does not belong in this file: "
        "put NOTION_TOKEN=... into .env, and {env: NOTION_TOKEN} here."
    )


def test_a_token_is_found_in_dotenv_and_stripped(tmp_path):
    (tmp_path / ".env").write_text(f"NOTION_TOKEN=' {TOKEN} '\n")
    assert resolve_token(TokenAccount(), find_project(tmp_path, {}), "sales") == TOKEN
    assert resolve_token(TokenAccount(), find_project(tmp_path, {"NOTION_TOKEN": "real"}), "sales") == "real"


@pytest.mark.parametrize("environ", [{}, {"MINE": ""}, {"MINE": " \n"}])
def test_a_missing_token_is_named_with_where_to_get_one(tmp_path, environ):
    with pytest.raises(ConfigError) as caught:
        resolve_token(TokenAccount(token=EnvReference(env="MINE")), find_project(tmp_path, environ), "sales")
    assert str(caught.value).startswith(
        'Source "sales": MINE is not set. Create a connection at https://www.notion.so/'
    )
    assert caught.value.source == "sales"


@pytest.mark.parametrize("value", ["abc 123", "abc\n123", "Bearer abc123", "abc123ü", '"abc123"', "abc\x00123"])
def test_what_cannot_be_a_token_is_refused_and_not_repeated(tmp_path, value):
    with pytest.raises(ConfigError, match="NOTION_TOKEN holds no token") as caught:
        resolve_token(TokenAccount(), find_project(tmp_path, {"NOTION_TOKEN": value}), "sales")
    assert "abc" not in str(caught.value)
    assert "123" not in str(caught.value)


# The module


def test_reading_the_configuration_imports_no_dagster():
    code = "import sys, notion_pipeline.config.sources, notion_pipeline.project; sys.exit('dagster' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_parse_sources_takes_what_a_file_would_hold():
    assert parse_sources({}) == Sources()
    with pytest.raises(ConfigError, match=r"^other.yaml: catlog: "):
        parse_sources({"catlog": "x"}, "other.yaml")
    assert "parse_sources" in config.__all__
