"""Copies of stages in a bucket: what another machine goes on with, and what is left there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.bucket import Bucket
from notion_pipeline.errors import ConfigError, StagingError
from notion_pipeline.extraction.copied_stage import packs_of
from notion_pipeline.extraction.manifest import MANIFEST
from notion_pipeline.extraction.stage_copies import StageCopies
from notion_pipeline.extraction.staging import Stage, open_stage
from notion_pipeline_tests.extraction.test_staging import BOOKMARK, KEY, NOW, append, batch, ids
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.processes.s3 import S3Place, s3_place

DATA_SOURCE = Path("notion", "db", "ds")


@pytest.fixture
def place() -> Iterator[S3Place]:
    with s3_place() as found:
        yield found


class Machine:
    """A process with a folder of its own that reads the data source."""

    def __init__(
        self, folder: Path, bucket: Bucket, lines: list[str], *, seconds: float = 3600.0, **given: Any
    ) -> None:
        self.folder = folder
        self.lines = lines
        self.warnings: list[str] = []
        self.copies = StageCopies(bucket, folder, "notion", warn=self.warnings.append, seconds=seconds, **given)

    def open(self, **given: Any) -> Stage:
        options = {"bookmark": BOOKMARK, "is_committed": lambda _: False, "log": self.lines.append, "now": NOW, **given}
        return open_stage(self.folder / DATA_SOURCE, options.pop("key", KEY), copies=self.copies, **options)


def wait_for_a_manifest(place: S3Place) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while not any(key.endswith(MANIFEST) for key in place.keys):
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


@pytest.fixture
def machine(tmp_path: Path, place: S3Place, lines: list[str]) -> Callable[..., Machine]:
    def made(name: str, **given: Any) -> Machine:
        return Machine(tmp_path / name, place.bucket, lines, **given)

    return made


def left_by(machine: Machine, *answers: str, **given: Any) -> Stage:
    """What a process that read these answers leaves, all of it uploaded."""
    stage = machine.open(**given)
    for answer in answers:
        append(stage, [batch(answer)], {"step": len(answers), "attempt": 1}, {"api_requests": len(answers)})
    machine.copies.close()
    return stage


def test_another_machine_goes_on_with_rows_progress_and_counts(
    machine: Callable[..., Machine], lines: list[str]
) -> None:
    first = left_by(machine("first"), "a", "b", "c")
    again = machine("second").open(now=NOW + timedelta(hours=1), bookmark=BOOKMARK + timedelta(days=1))
    assert again.resumed
    assert ids(again) == ["a", "b", "c"]
    assert again.manifest == first.manifest
    assert lines == []
    # And a process after it finds it in the folder.
    assert ids(machine("second").open()) == ["a", "b", "c"]


def test_what_a_read_staged_is_uploaded_while_it_goes_on(machine: Callable[..., Machine], place: S3Place) -> None:
    going = machine("first", seconds=0.01)
    stage = going.open()
    for number, answer in enumerate("abc"):
        append(stage, [batch(answer)], {"step": number}, {})
        give_up_at = time.monotonic() + PATIENCE
        while not (
            (found := machine(f"other {number}").copies.of(going.folder.with_name(f"other {number}") / DATA_SOURCE))
            and found.found
            and found.found[0].manifest == stage.manifest
        ):
            assert time.monotonic() < give_up_at
            time.sleep(0.02)
    assert ids(machine("second").open()) == ["a", "b", "c"]
    stage.remove()
    going.copies.close()
    assert place.keys == []


def test_a_short_read_asks_for_nothing_but_what_is_there(machine: Callable[..., Machine], place: S3Place) -> None:
    short = machine("first")
    stage = short.open()
    append(stage, [batch("a")], {}, {})
    assert place.keys == []
    stage.remove()
    short.copies.close()
    assert place.keys == []


def test_loaded_stage_leaves_an_empty_bucket_also_where_others_began_it(
    machine: Callable[..., Machine], place: S3Place
) -> None:
    left_by(machine("first"), "a")
    left_by(machine("second"), "b")
    last = machine("third")
    stage = last.open()
    append(stage, [batch("c")], {}, {})
    stage.remove()
    last.copies.close()
    assert place.keys == []


def test_stage_that_is_removed_after_the_run_ended_leaves_nothing(
    machine: Callable[..., Machine], place: S3Place
) -> None:
    stage = left_by(machine("first"), "a")
    assert place.keys != []
    stage.remove()
    assert place.keys == []


def test_process_that_comes_back_to_life_changes_nothing_of_its_successor(
    machine: Callable[..., Machine], place: S3Place
) -> None:
    """Its lock went to another one meanwhile; it goes on to write as if nothing had happened."""
    lost = machine("lost", seconds=0.01)
    old = lost.open()
    append(old, [batch("a")], {"attempt": 1}, {})
    wait_for_a_manifest(place)
    heir = machine("heir")
    new = heir.open()
    append(new, [batch("b"), batch("c")], {"attempt": 2}, {})
    heir.copies.close()
    for answer in "xyz":
        append(old, [batch(answer)], {"attempt": 1}, {})
    lost.copies.close()
    assert ids(machine("third").open()) == ["a", "b", "c"]
    # Nor does what it gives up take anything from the other one.
    old.remove()
    assert ids(machine("fourth").open()) == ["a", "b", "c"]


def test_stage_of_a_process_that_came_back_after_the_commit_is_discarded(
    machine: Callable[..., Machine], lines: list[str], place: S3Place
) -> None:
    committed = left_by(machine("lost"), "a").manifest.stage_id
    next_one = machine("next")
    stage = next_one.open(is_committed=lambda stage_id: stage_id == committed)
    assert not stage.resumed
    assert "in the catalog already" in lines[0]
    stage.remove()
    next_one.copies.close()
    assert place.keys == []


def test_the_stage_that_is_furthest_is_taken(machine: Callable[..., Machine]) -> None:
    """The first machine comes back to its own folder after another one went on, and died as well."""
    left_by(machine("first"), "a")
    second = machine("second")
    append(second.open(), [batch("b")], {"attempt": 2}, {})
    second.copies.close()
    assert ids(machine("first").open()) == ["a", "b"]


def test_the_folder_is_taken_where_the_copy_is_behind(machine: Callable[..., Machine], place: S3Place) -> None:
    first = machine("first")
    stage = first.open()
    append(stage, [batch("a")], {"attempt": 1}, {})
    first.copies.close()
    append(machine("first").open(), [batch("b")], {"attempt": 2}, {})  # killed before it uploaded anything
    place.bucket.remove([key for key in place.keys if not key.endswith(MANIFEST)])
    assert ids(machine("first").open()) == ["a", "b"]


def test_stage_that_was_given_up_is_not_found_again(machine: Callable[..., Machine], place: S3Place) -> None:
    """As where the schema changed during the read: it starts over in the same process."""
    going = machine("first", seconds=0.01)
    stage = going.open()
    append(stage, [batch("a")], {}, {})
    wait_for_a_manifest(place)
    stage.remove()
    assert not going.open().resumed
    going.copies.close()
    assert place.keys == []


def packs(place: S3Place) -> list[str]:
    return [key for key in place.keys if not key.endswith(MANIFEST)]


def lose_a_pack(place: S3Place) -> None:
    place.bucket.remove(packs(place)[:1])


def change_a_pack(place: S3Place) -> None:
    key = packs(place)[0]
    data = bytearray(place.bucket.get(key) or b"")
    data[len(data) // 2] ^= 0xFF
    place.bucket.put(key, bytes(data))


def shorten_a_pack(place: S3Place) -> None:
    key = packs(place)[0]
    place.bucket.put(key, (place.bucket.get(key) or b"")[:-10])


def manifest_key(place: S3Place) -> str:
    return next(key for key in place.keys if key.endswith(MANIFEST))


def cut_the_manifest(place: S3Place) -> None:
    place.bucket.put(manifest_key(place), (place.bucket.get(manifest_key(place)) or b"")[:40])


def write_a_list(place: S3Place) -> None:
    place.bucket.put(manifest_key(place), b"[]")


def name_another_format(place: S3Place) -> None:
    place.bucket.put(manifest_key(place), (place.bucket.get(manifest_key(place)) or b"").replace(b":1,", b":99,", 1))


def lead_out_of_the_folder(place: S3Place) -> None:
    data = place.bucket.get(manifest_key(place)) or b""
    place.bucket.put(manifest_key(place), data.replace(b"000000.arrow", b"../../x.arrow"))


@pytest.mark.parametrize(
    "damage",
    [
        lose_a_pack,
        change_a_pack,
        shorten_a_pack,
        cut_the_manifest,
        write_a_list,
        name_another_format,
        lead_out_of_the_folder,
    ],
)
def test_damaged_copy_is_discarded_with_a_word(
    machine: Callable[..., Machine], place: S3Place, lines: list[str], damage: Callable[[S3Place], None]
) -> None:
    left_by(machine("first"), "a", "b")
    damage(place)
    second = machine("second")
    stage = second.open()
    assert (stage.resumed, stage.rows) == (False, 0)
    assert len(lines) == 1
    assert lines[0].startswith(f"Discarded the staged read of data source ds: {place.url}/notion/db/ds/")
    assert [path.name for path in stage.directory.iterdir()] == []
    stage.remove()
    second.copies.close()
    assert place.keys == []


def test_packs_without_a_manifest_are_cleared_without_a_word(
    machine: Callable[..., Machine], place: S3Place, lines: list[str]
) -> None:
    """Their process was killed between the two."""
    left_by(machine("first"), "a")
    place.bucket.remove([manifest_key(place)])
    second = machine("second")
    assert not second.open().resumed
    assert lines == []
    append(second.open(), [batch("b")], {}, {})
    second.copies.close()
    assert ids(machine("third").open()) == ["b"]
    assert len(packs(place)) == 1


@pytest.mark.parametrize("age", [timedelta(hours=20, seconds=1), timedelta(hours=-21)])
def test_copy_older_than_20_hours_is_discarded(
    machine: Callable[..., Machine], lines: list[str], age: timedelta
) -> None:
    left_by(machine("first"), "a")
    assert not machine("second").open(now=NOW + age).resumed
    assert "older than 20 hours" in lines[0]


def test_copy_of_another_read_is_discarded(machine: Callable[..., Machine], lines: list[str]) -> None:
    left_by(machine("first"), "a")
    assert not machine("second").open(key=replace(KEY, fingerprint="f2")).resumed
    assert "another fingerprint" in lines[0]


def test_copies_that_nobody_asks_for_go_after_two_days(machine: Callable[..., Machine], place: S3Place) -> None:
    left_by(machine("first"), "a")
    later = machine("second", keep_for=timedelta(hours=-1))
    stage = open_stage(
        later.folder / "notion" / "other" / "one",
        KEY,
        bookmark=BOOKMARK,
        is_committed=lambda _: False,
        log=print,
        copies=later.copies,
    )
    append(stage, [batch("b")], {}, {})
    later.copies.close()
    assert {key.split("/")[1] for key in place.keys} == {"other"}


def test_bucket_that_is_away_is_said_once_and_stops_nothing(tmp_path: Path, place: S3Place, lines: list[str]) -> None:
    away = Bucket("s3://missing/folder", place.environ)
    going = Machine(tmp_path / "first", away, lines, seconds=0.01)
    stage = going.open()
    append(stage, [batch("a")], {}, {})
    other = open_stage(
        going.folder / "notion" / "db" / "other",
        KEY,
        bookmark=BOOKMARK,
        is_committed=lambda _: False,
        log=lines.append,
        copies=going.copies,
    )
    append(other, [batch("b")], {}, {})
    other.remove()
    going.copies.close()
    assert ids(Machine(tmp_path / "first", away, lines).open()) == ["a"]
    (warning,) = going.warnings
    assert 'Source "notion"' in warning
    assert "s3://missing/folder" in warning
    assert "NoSuchBucket" in warning
    assert "starts over on another machine" in warning
    assert "AWS_ACCESS_KEY_ID" in warning


def test_bucket_is_tried_out_by_writing(place: S3Place) -> None:
    place.bucket.try_out()
    assert place.keys == []
    with pytest.raises(StagingError, match=r"s3://missing.*NoSuchBucket.*AWS_ACCESS_KEY_ID"):
        Bucket("s3://missing", place.environ).try_out()


def test_endpoint_that_is_no_address_is_refused(place: S3Place) -> None:
    with pytest.raises(ConfigError, match="AWS_ENDPOINT_URL"):
        Bucket(place.url, {**place.environ, "AWS_ENDPOINT_URL": "no address"})


def test_missing_package_names_the_extra(place: S3Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(ConfigError, match=r"notion-pipeline\[s3\]"):
        Bucket(place.url, place.environ)


def test_packs_are_of_a_bounded_size() -> None:
    files = [(f"{number:06d}.arrow", 1, 40, 0) for number in range(5)]
    assert [len(group) for group in packs_of(files, most_bytes=100)] == [2, 2, 1]
    assert [len(group) for group in packs_of(files, most_bytes=1)] == [1] * 5
