"""Reads users: the workspace's list, which has no guests, then one by one those whom the tables show beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from notion_pipeline.content.batches import Batches, side_by_side
from notion_pipeline.content.files.hosted_urls import without_signatures
from notion_pipeline.content.reader import YieldsTo
from notion_pipeline.errors import AuthorizationError, NotionNotFoundError, NotPermittedError
from notion_pipeline.notion.client import PAGE_SIZE, NotionClient
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.notion.pagination import Listing, pages
from notion_pipeline.notion.responses.parsing import objects_of
from notion_pipeline.rows.users_seen import user_parts

_SUBJECT = "the users"
#: A workspace of so many members is beyond all that is known.
_MOST_USERS = 10_000_000
_BYTES_OF_A_USER = 200


@dataclass(frozen=True, slots=True)
class User:
    """A user as Notion gave it, or of whom it knows nothing.

    Attributes:
        object: `user`, as a rule.
        type: `person` or `bot`.
        avatar_url: Without a signature.
        membership: `member`, `guest` or `gone`; see the table's comments. None where the list could not be read.
    """

    id: str
    object: str | None = None
    type: str | None = None
    name: str | None = None
    email: str | None = None
    avatar_url: str | None = None
    membership: str | None = None


@dataclass(frozen=True, slots=True)
class ListedUsers:
    """The workspace's list, whole."""

    users: Sequence[User]


@dataclass(frozen=True, slots=True)
class UserRead:
    """What came of a user who was asked for by id.

    Attributes:
        user: None where the user could not be read.
    """

    id: str
    user: User | None
    error: Exception | None = None


UsersRead = ListedUsers | UserRead


def user_batches(
    make_client: Callable[[], NotionClient],
    users_to_ask: Callable[[Collection[str] | None], Awaitable[Sequence[str]]],
    *,
    workers: int,
    usage: RunUsage,
    wait_turn: YieldsTo,
) -> Batches[UsersRead]:
    """The list, then the others side by side. Ends with `NotPermittedError` where Notion refused one of the two.

    Args:
        users_to_ask: Given the ids of the list (None where the connection may not read it): whom to ask for by id.
    """

    async def read(hand_over: Callable[[UsersRead], Awaitable[None]]) -> None:
        async with make_client() as client:
            client.stats.run = usage
            await wait_turn()
            refused: NotPermittedError | None = None
            listed: set[str] | None = None
            try:
                users = await _listed_users(client)
            except NotPermittedError as error:
                # A personal token may not list users, and may ask for one.
                refused = error
            else:
                listed = {user.id for user in users}
                await hand_over(ListedUsers(users))
            ids = await users_to_ask(listed)
            unlisted = "guest" if listed is not None else None

            async def one(user_id: str) -> None:
                await wait_turn()
                await hand_over(await _read_user(client, user_id, unlisted))

            # Where the list was refused, one answer tells whether the others may be asked for at all.
            alone = 1 if refused is not None and ids else 0
            try:
                for user_id in ids[:alone]:
                    await one(user_id)
                await side_by_side(_each(ids[alone:]), workers, one)
            except NotPermittedError as error:
                refused = refused or error
            if refused is not None:
                raise refused

    return Batches(read, weight=_weight)


async def _listed_users(client: NotionClient) -> list[User]:
    found: dict[str, User] = {}
    async for body in pages(client.users, Listing(_SUBJECT, most_pages=_MOST_USERS // PAGE_SIZE, source=client.source)):
        for answer in objects_of(body, _SUBJECT):
            if (user := _user(answer, "member")) is not None:
                found[user.id] = user
    return list(found.values())


async def _read_user(client: NotionClient, user_id: str, membership: str | None) -> UserRead:
    try:
        answer = await client.user(user_id)
    except (NotPermittedError, AuthorizationError):
        raise
    except NotionNotFoundError:
        return UserRead(user_id, User(user_id, "user", membership="gone"))
    except Exception as error:  # one user's failure is its own; it is reported with its reason
        return UserRead(user_id, None, error)
    user = _user(answer.body, membership) or User(user_id, membership=membership)
    return UserRead(user_id, replace(user, id=user_id))


def _user(answer: Any, membership: str | None) -> User | None:
    parts = user_parts(answer)
    if parts is None:
        return None
    avatar = answer.get("avatar_url")
    picture = without_signatures(avatar) if isinstance(avatar, str) and avatar else None
    return replace(User(*parts), avatar_url=picture, membership=membership)


async def _each(ids: Sequence[str]) -> AsyncIterator[str]:
    for user_id in ids:
        yield user_id


def _weight(read: UsersRead) -> int:
    return _BYTES_OF_A_USER * (len(read.users) if isinstance(read, ListedUsers) else 1)
