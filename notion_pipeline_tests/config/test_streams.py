"""Which databases a source selects, and the settings of each stream."""

from __future__ import annotations

from notion_pipeline.config.sources import Source, StreamSettings, SyncType, TokenAccount

ID = "1f0c2d3e-4a5b-6c7d-8e9f-0a1b2c3d4e5f"
OTHER_ID = "2f0c2d3e-4a5b-6c7d-8e9f-0a1b2c3d4e5f"


def source_with(**keys):
    return Source(name="sales", account=TokenAccount(), **keys)


def test_a_database_is_read_when_it_is_selected_and_not_deselected():
    source = source_with(select=("Task*", OTHER_ID), deselect=("Task archive",))
    assert source.selects(ID, "Tasks")
    assert source.selects(OTHER_ID, "Anything")
    assert not source.selects(ID, "Task archive")
    assert not source.selects(ID, "Other")
    assert not source_with(select=("databases",)).selects(ID, "databases")
    assert not source_with(select=()).selects(ID, "Tasks")


def test_settings_of_a_stream_fall_back_to_those_of_its_source():
    source = source_with(
        sync_type=SyncType.FULL_TABLE,
        streams={"Tasks": StreamSettings(table="todo"), ID: StreamSettings(sync_type=SyncType.INCREMENTAL)},
    )
    assert source.settings_for(OTHER_ID, "Tasks") == StreamSettings(table="todo", sync_type=SyncType.FULL_TABLE)
    assert source.settings_for(ID, "Deals").sync_type is SyncType.INCREMENTAL
    assert source.settings_for(OTHER_ID, "Deals") == StreamSettings(sync_type=SyncType.FULL_TABLE)
    assert source.sync_type_for(OTHER_ID, "Deals") is SyncType.FULL_TABLE
    assert source.table_for(OTHER_ID, "Tasks") == "todo"
    assert source.table_for(ID, "Deals") is None


def test_ids_named_in_select_and_streams_are_known():
    source = source_with(
        select=("*", ID.upper(), f"database_{OTHER_ID.replace('-', '')}"), deselect=("f" * 32,), streams={ID: {}}
    )
    assert source.named_ids() == [ID, OTHER_ID]


def test_a_stream_key_that_fits_two_databases_holds_both_back():
    source = source_with(streams={"Tasks": {"table": "tasks"}})
    assert source.ambiguous_streams([(ID, "Tasks"), (OTHER_ID, "Deals")]) == {}
    found = source.ambiguous_streams([(ID, "Tasks"), (OTHER_ID, "Tasks")], file="mine.yaml")
    assert set(found) == {ID, OTHER_ID}
    assert str(found[ID]) == (
        f'mine.yaml: sources (sales): streams["Tasks"]: fits 2 databases, {ID} and {OTHER_ID}; '
        "name the one that is meant by its id."
    )


def test_streams_of_a_listing_have_their_settings_by_id():
    source = source_with(streams={ID: {"table": "tasks"}})
    assert source.settings_for(ID, "Tasks") == StreamSettings(table="tasks", sync_type=SyncType.INCREMENTAL)
    assert source.settings_for(OTHER_ID, "Tasks") == StreamSettings(sync_type=SyncType.INCREMENTAL)
