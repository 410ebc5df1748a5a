"""Folders and files that only their owner may read."""

from __future__ import annotations

import stat

import pytest

from notion_pipeline.errors import StagingError
from notion_pipeline.private_files import private_directory, write_private


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_private_directory_is_made_with_those_above_it(tmp_path):
    path = tmp_path / "a" / "b"
    assert private_directory(path) == path
    assert mode(path) == mode(tmp_path / "a") == 0o700
    assert private_directory(path) == path


def test_private_directory_closes_one_that_stood_open_and_says_so(tmp_path, caplog):
    path = tmp_path / "open"
    path.mkdir(mode=0o755)
    private_directory(path)
    assert mode(path) == 0o700
    assert [record.getMessage() for record in caplog.records] == [
        f"The private folder {path} was open to other users of this machine (mode 0755); it is closed now."
    ]


def test_private_directory_takes_no_folder_that_all_users_share(tmp_path):
    path = tmp_path / "shared"
    path.mkdir()
    path.chmod(0o1777)
    with pytest.raises(StagingError, match=r"all users of this machine share it.*NOTION_PIPELINE_HOME"):
        private_directory(path)
    assert mode(path) == 0o1777


def test_private_directory_in_the_place_of_a_file_is_an_error_with_a_hint(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StagingError, match="NOTION_PIPELINE_HOME"):
            private_directory(path)


def test_written_file_replaces_the_old_one_and_is_its_owners_alone(tmp_path):
    path = tmp_path / "token"
    write_private(path, b"old")
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["token"]
