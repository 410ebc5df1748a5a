"""Accounts as files, one each, under NOTION_PIPELINE_HOME/tokens: the store that is used unless another is named.

A file is replaced by rename and reaches the disk before the call comes back, for the pair before it is dead by then.
Who else might read or change a file is refused service rather than mended: by then the tokens may be known already.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from notion_pipeline.errors import ConfigError, StagingError
from notion_pipeline.private_files import file_name, private_directory, write_private
from notion_pipeline.redaction import Secret
from notion_pipeline.sealing import KEY_VARIABLE, Sealer, WrongKeyError

if TYPE_CHECKING:
    from notion_pipeline.token_store import StoredAccount


class FileTokenStore:
    """A folder of accounts.

    Args:
        home: NOTION_PIPELINE_HOME.
        keys: The first seals what is written, each opens; none leaves the files readable for their owner.
        dump, parse: An account to JSON and back.
    """

    def __init__(
        self,
        home: Path,
        keys: Sequence[Secret],
        *,
        dump: Callable[[StoredAccount], bytes],
        parse: Callable[[bytes], StoredAccount],
    ) -> None:
        self._home = home
        self._folder = home / "tokens"
        self._sealer = Sealer(keys)
        self._dump, self._parse = dump, parse

    def accounts(self) -> list[StoredAccount]:
        """All accounts, in the order in which they were connected.

        Raises:
            ConfigError: Others may read them, they are sealed with another key, or damaged.
        """
        if not self._folder.exists():
            return []
        self._check_folder()
        found = [self._read(path) for path in sorted(self._folder.glob("*.json"))]
        return sorted((account for account in found if account), key=lambda account: account.connected_at)

    def load(self, bot_id: str) -> StoredAccount | None:
        """One account as its file has it now; raises as `accounts` does."""
        if not self._folder.exists():
            return None
        self._check_folder()
        return self._read(self._path(bot_id))

    def save(self, account: StoredAccount) -> None:
        """Writes the account's file.

        Raises:
            ConfigError: Others may read the folder.
            StagingError: It cannot be written.
        """
        private_directory(self._folder)
        self._check_folder()
        try:
            write_private(self._path(account.bot_id), self._sealer.seal(self._dump(account)), durable=True)
        except OSError as error:
            raise StagingError(
                f"The tokens of {account.label} cannot be written to {self._folder}: {error.strerror or error}.",
                cure="Make room there, or mend the permissions.",
            ) from None

    def forget(self, bot_id: str) -> None:
        """Removes the account's file."""
        self._path(bot_id).unlink(missing_ok=True)

    def try_lock(self, bot_id: str) -> Callable[[], None] | None:
        """The account's lock file, which the operating system frees when its holder dies."""
        private_directory(self._folder)
        self._check_folder()
        lock = FileLock(self._folder / f"{file_name(bot_id)}.lock", thread_local=False, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return lock.release

    def _path(self, bot_id: str) -> Path:
        return self._folder / f"{file_name(bot_id)}.json"

    def _read(self, path: Path) -> StoredAccount | None:
        try:
            _check_private(path, 0o600)
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"The tokens in {path} cannot be read: {error.strerror or error}.") from None
        try:
            data, current = self._sealer.open(content)
            account = self._parse(data)
        except WrongKeyError:
            raise _wrong_key(path, is_set=bool(self._sealer.keys)) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigError(
                f"{path} holds no account: it was damaged.",
                cure="Remove the file, then connect the account again with `notion-pipeline connect`.",
            ) from None
        if not current:
            self._seal_anew(path, account.bot_id)
        return account

    def _seal_anew(self, path: Path, bot_id: str) -> None:
        """After a change of the key. Not now, where another process is about to write the file itself."""
        release = self.try_lock(bot_id)
        if release is None:
            return
        try:
            data, current = self._sealer.open(path.read_bytes())
            if not current:
                write_private(path, self._sealer.seal(data), durable=True)
        except (OSError, WrongKeyError):
            return  # the next reader tries again; what is there can be read
        finally:
            release()

    def _check_folder(self) -> None:
        for folder in (self._home, self._folder):
            _check_owner(folder)
            private_directory(folder)


def _check_private(path: Path, allowed: int) -> None:
    """Makes sure that nobody else can read or replace what is there.

    Raises:
        ConfigError: Somebody can.
        OSError: It cannot be looked at.
    """
    found = _check_owner(path)
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~allowed & 0o777:
        raise ConfigError(
            f"{path} is open to other users of this machine (mode {mode:04o}, allowed: {allowed:04o}), "
            "and tokens are kept there.",
            cure=f"Close it with `chmod {allowed:o} {path}`. If others could have read it, disconnect and connect "
            "the account again.",
        )


def _check_owner(path: Path) -> os.stat_result:
    found = path.stat()
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigError(
            f"{path} belongs to another user of this machine; tokens are not kept where others can change them.",
            cure="Point NOTION_PIPELINE_HOME at a folder of your own.",
        )
    return found


def _wrong_key(path: Path, *, is_set: bool) -> ConfigError:
    said = "is another one" if is_set else "is not set"
    return ConfigError(
        f"The tokens in {path} are encrypted with {KEY_VARIABLE}, which {said}.",
        cure=f"Set the key they were written with; after a change put the old one behind the new one "
        f"({KEY_VARIABLE}=new,old). If it is lost, remove the file and connect again with `notion-pipeline connect`.",
    )
