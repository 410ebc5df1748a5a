"""Accounts as files, one each, under NOTION_PIPELINE_HOME/tokens: the store that is used unless another is named.

A file is replaced by rename and is on the disk before the call returns, since the pair before it is dead by then. What
was written and not renamed, because the process ended in between, counts as well: the newest file of an account wins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from notion_pipeline.accounts.stores.encryption import KEY_VARIABLE, Sealer, WrongKeyError
from notion_pipeline.accounts.stores.file_permissions import check_owner, check_private
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.errors import ConfigError, StagingError
from notion_pipeline.private_files import (
    file_name,
    fill_private,
    private_directory,
    put_in_place,
    reserve_private,
    write_private,
)
from notion_pipeline.redaction import Secret, is_token

#: Room that is taken for an account before Notion is asked for its tokens; an account is about one kilobyte.
RESERVED_BYTES = 16 * 1024
#: Reserved for an account that is not known yet. What a killed process left of it is removed after this time.
UNKNOWN_ACCOUNT = "connect"
_RESERVED_SECONDS = 3600.0


class _DamagedError(ConfigError):
    """The file holds no account."""


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
        self._rooms: dict[str, Path] = {}

    def accounts(self) -> list[StoredAccount]:
        """All accounts, in the order in which they were connected.

        Raises:
            ConfigError: Others may read them, they are sealed with another key, or damaged.
        """
        if not self._folder.exists():
            return []
        self._check_folder()
        unnamed = self._unnamed()
        names = {path.stem for path in self._folder.glob("*.json")} | {file_name(bot_id) for bot_id in unnamed}
        by_name = {file_name(bot_id): found for bot_id, found in unnamed.items()}
        found = [self._newest(self._folder / f"{name}.json", by_name.get(name)) for name in sorted(names)]
        return sorted((account for account in found if account), key=lambda account: account.connected_at)

    def load(self, bot_id: str) -> StoredAccount | None:
        """One account as its file has it now; raises as `accounts` does."""
        if not self._folder.exists():
            return None
        self._check_folder()
        return self._newest(self._path(bot_id), self._unnamed().get(bot_id))

    def reserve(self, bot_id: str = UNKNOWN_ACCOUNT) -> Callable[[], None]:
        """Takes the room that the next `save` needs, as long as what it gives back was not called.

        Raises:
            ConfigError: Others may read the folder.
            StagingError: There is no room.
        """
        private_directory(self._folder)
        self._check_folder()
        self._sealer.prepare()
        try:
            self._remove_blanks()
            room = self._rooms[bot_id] = reserve_private(self._path(bot_id), RESERVED_BYTES)
        except OSError as error:
            raise StagingError(
                f"There is no room for new tokens in {self._folder}: {error.strerror or error}.",
                hint="Make room there, or mend the permissions; then try again.",
            ) from None

        def give_back() -> None:
            if self._rooms.get(bot_id) == room:
                del self._rooms[bot_id]
                if self._account_in(room) is None:
                    room.unlink(missing_ok=True)

        return give_back

    def save(self, account: StoredAccount) -> None:
        """Writes the account's file, into the room that was reserved for it where there is one.

        Raises:
            ConfigError: Others may read the folder.
            StagingError: It cannot be written.
        """
        private_directory(self._folder)
        self._check_folder()
        data = self._sealer.seal(self._dump(account))
        path = self._path(account.bot_id)
        reserved = account.bot_id if account.bot_id in self._rooms else UNKNOWN_ACCOUNT
        give_back: Callable[[], None] | None = None
        if reserved not in self._rooms:
            reserved, give_back = account.bot_id, self.reserve(account.bot_id)
        try:
            room = self._rooms[reserved]
            fill_private(room, data)
            # Now it cannot be lost. Older ones go before the rename: nothing is left then that could be taken for it.
            for other in self._leftovers_of(account.bot_id):
                if other != room:
                    other.unlink(missing_ok=True)
            put_in_place(room, path)
        except OSError as error:
            raise StagingError(
                f"The tokens of {account.label} cannot be written to {self._folder}: {error.strerror or error}.",
                hint="Make room there, or mend the permissions.",
            ) from None
        else:
            del self._rooms[reserved]
        finally:
            if give_back is not None:
                give_back()

    def forget(self, bot_id: str) -> None:
        """Removes the account's file, and whatever a process that ended early left of it."""
        for leftover in self._leftovers_of(bot_id):
            leftover.unlink(missing_ok=True)
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
        except OSError as error:
            raise StagingError(
                f"The tokens in {self._folder} cannot be locked: {error.strerror or error}.",
                hint="Make room there, or mend the permissions.",
            ) from None
        return lock.release

    def _path(self, bot_id: str) -> Path:
        return self._folder / f"{file_name(bot_id)}.json"

    def _newest(self, path: Path, unnamed: tuple[StoredAccount, Path] | None) -> StoredAccount | None:
        """The account at a path, or what was written for it later and not renamed, which is put in place now."""
        try:
            named = self._read(path)
        except _DamagedError:
            if unnamed is None:
                raise
            named = None
        if unnamed is None or (named is not None and named.refreshed_at >= unnamed[0].refreshed_at):
            return named
        account, leftover = unnamed
        # Not now where another process is about to write the file itself.
        with suppress(OSError, StagingError):  # the next reader tries again; what is there can be read
            if (release := self.try_lock(account.bot_id)) is not None:
                try:
                    put_in_place(leftover, path)
                finally:
                    release()
        return account

    def _unnamed(self) -> dict[str, tuple[StoredAccount, Path]]:
        """What was written whole and not renamed, the newest of each account, by bot id."""
        found: dict[str, tuple[StoredAccount, Path]] = {}
        for path in self._leftovers():
            account = self._account_in(path)
            if account is not None and (
                account.bot_id not in found or found[account.bot_id][0].refreshed_at < account.refreshed_at
            ):
                found[account.bot_id] = account, path
        return found

    def _leftovers(self, name: str = "*") -> Iterator[Path]:
        return self._folder.glob(f".{name}.json.*")

    def _leftovers_of(self, bot_id: str) -> Iterator[Path]:
        """By their name, or by what is in them: room may have been taken before the account was known."""
        yield from self._leftovers(file_name(bot_id))
        for path in self._leftovers(UNKNOWN_ACCOUNT):
            account = self._account_in(path)
            if account is not None and account.bot_id == bot_id:
                yield path

    def _account_in(self, path: Path) -> StoredAccount | None:
        """The account in a file that may be half-written; None where it is."""
        try:
            check_private(path, 0o600)
            account = self._parse(self._sealer.open(path.read_bytes())[0])
        except (OSError, WrongKeyError, ValueError, KeyError, TypeError, AttributeError):
            return None
        tokens = [account.access_token, *([account.refresh_token] if account.refresh_token else [])]
        # Room that was not written over is blank, and no token has a blank in it.
        whole = all(is_token(token.reveal()) for token in tokens)
        return account if whole else None

    def _remove_blanks(self) -> None:
        """Room that killed processes took and did not use."""
        for path in self._leftovers(UNKNOWN_ACCOUNT):
            if time.time() - path.stat().st_mtime > _RESERVED_SECONDS and self._account_in(path) is None:
                path.unlink(missing_ok=True)

    def _read(self, path: Path) -> StoredAccount | None:
        try:
            check_private(path, 0o600)
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
            raise _DamagedError(
                f"{path} holds no account: it was damaged.",
                hint="Remove the file, then connect the account again with `notion-pipeline connect`.",
            ) from None
        if not current:
            self._seal_anew(path, account.bot_id)
        return account

    def _seal_anew(self, path: Path, bot_id: str) -> None:
        """After a change of the key. Not now, where another process is about to write the file itself."""
        with suppress(OSError, StagingError, WrongKeyError):  # the next reader tries again; what is there can be read
            if (release := self.try_lock(bot_id)) is not None:
                try:
                    data, current = self._sealer.open(path.read_bytes())
                    if not current:
                        write_private(path, self._sealer.seal(data), durable=True)
                finally:
                    release()

    def _check_folder(self) -> None:
        for folder in (self._home, self._folder):
            check_owner(folder)
            private_directory(folder)


def _wrong_key(path: Path, *, is_set: bool) -> ConfigError:
    said = "is another one" if is_set else "is not set"
    return ConfigError(
        f"The tokens in {path} are encrypted with {KEY_VARIABLE}, which {said}.",
        hint=f"Set the key they were written with; after a change put the old one behind the new one "
        f"({KEY_VARIABLE}=new,old). If it is lost, remove the file and connect again with `notion-pipeline connect`.",
    )
