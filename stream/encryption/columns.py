"""Encryption of single values in a database: those that are only read, and those that are looked for.

What is looked for is encrypted with AES-SIV (RFC 5297): equal values look equal, and nothing else is told. What is only
read is AES-256-GCM, different each time.
"""

import base64
import binascii
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stream.encryption.crypt import Crypt, key_of
from stream.errors import DamagedError

SEALED: Final = "enc:"
"""What an encrypted text that is only read begins with."""
NAMED: Final = "eqv:"
"""What an encrypted text that is looked for begins with."""
_PURPOSE: Final = "alerts"
_SIV_KEY: Final = 64


_BEGIN: Final = 96
"""Characters of an encrypted text in which the name of its data key surely stands."""


def key_of_text(stored: str) -> str | None:
    """The id of the data key that a text was stored under; see `crypt.key_of`."""
    if not stored.startswith(SEALED):
        return None
    return key_of(base64.b64decode(stored[len(SEALED) : len(SEALED) + _BEGIN]))


class Columns:
    """Encrypts and decrypts values; safe to use from any thread.

    `secret` is what equal values look equal under: whoever shares a database needs the same, for as long as it is kept.
    """

    def __init__(self, crypt: Crypt, secret: bytes) -> None:
        self._crypt = crypt
        self._names = AESSIV(HKDF(SHA256(), _SIV_KEY, None, b"tocsin names").derive(secret))

    def sealed(self, column: str, value: str) -> str:
        """A text that is only read, bound to its column."""
        return SEALED + base64.b64encode(self.sealed_bytes(column, value.encode())).decode()

    def opened(self, column: str, stored: str) -> str:
        """What `sealed` was given; a text from before there was encryption stays as it is.

        Raises DamagedError where it is not what was written.
        """
        if not stored.startswith(SEALED):
            return stored
        try:
            return self.opened_bytes(column, base64.b64decode(stored[len(SEALED) :], validate=True)).decode()
        except (binascii.Error, ValueError) as error:
            raise DamagedError(f"{column} is not what was written", hint="restore the alerts from a backup") from error

    def sealed_bytes(self, column: str, value: bytes) -> bytes:
        """Bytes that are only read, bound to their column."""
        return self._crypt.seal(_PURPOSE, column, value)

    def opened_bytes(self, column: str, stored: bytes) -> bytes:
        """What `sealed_bytes` was given; see `opened`."""
        return self._crypt.open(_PURPOSE, column, stored)

    def named(self, value: str) -> str:
        """A text that is looked for: equal ones look equal."""
        # AES-SIV takes no empty text, and an empty one tells nothing.
        return NAMED + base64.b64encode(self._names.encrypt(value.encode(), None)).decode() if value else ""

    def told(self, stored: str) -> str:
        """What `named` was given; anything else stays as it is, as names did before there was encryption."""
        try:
            hidden = base64.b64decode(stored[len(NAMED) :], validate=True) if stored.startswith(NAMED) else b""
            return self._names.decrypt(hidden, None).decode() if hidden else stored
        except (binascii.Error, ValueError, InvalidTag):
            return stored
