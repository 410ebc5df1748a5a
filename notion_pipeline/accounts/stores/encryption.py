"""Encryption at rest: tokens sealed with NOTION_PIPELINE_KEY by Fernet, its key derived by scrypt.

The variable holds one passphrase of any form, or several with commas between: the first seals, each opens. A key is
changed by putting the new one in front (`new,old`); what is then read is sealed anew, and once `notion-pipeline
accounts` has read them all the old one can go. A file carries its salt; how the key is derived is part of the format.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence

import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from notion_pipeline.redaction import Secret

KEY_VARIABLE = "NOTION_PIPELINE_KEY"
FORMAT = "scrypt-32768-8-1+fernet"
_SALT_BYTES = 16


class WrongKeyError(Exception):
    """None of the keys opens it."""


def keys_of(text: str) -> tuple[Secret, ...]:
    """The passphrases in the variable, the one that seals first."""
    return tuple(Secret(part.strip()) for part in text.split(",") if part.strip())


class Sealer:
    """Seals and opens with the same passphrases; a derived key, which takes a tenth of a second, is kept."""

    def __init__(self, keys: Sequence[Secret]) -> None:
        self.keys = tuple(keys)
        self._salt = b""
        self._derived: dict[tuple[int, bytes], Fernet] = {}

    def seal(self, data: bytes) -> bytes:
        """The data as it goes into a file: sealed, or as it is where there is no key."""
        if not self.keys:
            return data
        self._salt = self._salt or secrets.token_bytes(_SALT_BYTES)
        sealed = self._fernet(0, self._salt).encrypt(data)
        return orjson.dumps(
            {"sealed": sealed.decode(), "format": FORMAT, "salt": base64.b64encode(self._salt).decode()}
        )

    def prepare(self) -> None:
        """Derives the key now, so that `seal` takes no time."""
        self.seal(b"")

    def open(self, content: bytes) -> tuple[bytes, bool]:
        """The data in a file's content, and whether the first key (or none, where there is none) sealed it.

        Raises:
            WrongKeyError: It was sealed with another key, or damaged since.
        """
        envelope = _envelope(content)
        if envelope is None:
            return content, not self.keys
        sealed, salt = envelope
        for index in range(len(self.keys)):
            try:
                data = self._fernet(index, salt).decrypt(sealed)
            except InvalidToken:
                continue
            self._salt = salt
            return data, index == 0
        raise WrongKeyError

    def _fernet(self, index: int, salt: bytes) -> Fernet:
        if (index, salt) not in self._derived:
            scrypt = Scrypt(salt=salt, length=32, n=2**15, r=8, p=1)
            key = scrypt.derive(self.keys[index].reveal().encode())
            self._derived[index, salt] = Fernet(base64.urlsafe_b64encode(key))
        return self._derived[index, salt]


def is_sealed(content: bytes) -> bool:
    """Whether the content was sealed, with whichever key.

    Raises:
        WrongKeyError: In a form of a later version, or damaged.
    """
    return _envelope(content) is not None


def _envelope(content: bytes) -> tuple[bytes, bytes] | None:
    """Sealed data and salt; None where the content was never sealed."""
    try:
        found = orjson.loads(content)
        if not isinstance(found, dict) or "sealed" not in found:
            return None
        if found.get("format") != FORMAT:
            raise WrongKeyError
        return str(found["sealed"]).encode(), base64.b64decode(str(found.get("salt")), validate=True)
    except orjson.JSONDecodeError:
        return None
    except binascii.Error:
        raise WrongKeyError from None
