"""Keys for what is hidden: sealed values that never look alike, and aliases of which equal ones are equal.

Sealing is AES-256-GCM (NIST SP 800-38D) with a random nonce, aliases are AES-SIV (RFC 5297), which needs none. Every
key is derived from one secret by HKDF-SHA256 (RFC 5869), so that neither tells anything about the other.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Sequence
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stream.errors import RejectedError
from tocsin_audit.fingerprint import Fingerprints

SEALED: Final = "sealed"
ALIAS: Final = "alias"
LONGEST: Final = 600
"""Characters of a value that are hidden; the rest is cut, since what is stored is bounded."""
SHORTEST: Final = 32
"""Characters of a secret at least."""
_NONCE: Final = 12
_LINE: Final = re.compile(r"([A-Za-z0-9_.-]{1,16}):(\S+)\Z")
_HIDDEN: Final = re.compile(r"(sealed|alias):([A-Za-z0-9_.-]{1,16}):([A-Za-z0-9_-]+)\Z")


class _Key(NamedTuple):
    name: str
    seal: AESGCM
    alias: AESSIV
    prints: Fingerprints


class Vault:
    """Hides values under the first of its keys, and finds those that any of them hid: old keys stay until forgotten."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Keys as `ID:SECRET`, the newest first. Raises ValueError saying which is none."""
        self._keys: dict[str, _Key] = {}
        for number, line in enumerate(lines, 1):
            match = _LINE.match(line.strip())
            if match is None or len(match[2]) < SHORTEST:
                raise ValueError(f"line {number} is not ID:SECRET with a secret of at least {SHORTEST} characters")
            name, secret = match.groups()
            if name in self._keys:
                raise ValueError(f"line {number} names the key {name} a second time")
            seal, alias = _derived(secret, b"seal", 32), _derived(secret, b"alias", 64)
            prints = Fingerprints(_derived(secret, b"hash", 32), name)
            self._keys[name] = _Key(name, AESGCM(seal), AESSIV(alias), prints)
        if not self._keys:
            raise ValueError("there is no key")
        self._now = next(iter(self._keys.values()))

    def seal(self, field: str, value: str) -> str:
        """A value that only the key's holder reads; bound to its field, and different each time."""
        nonce = secrets.token_bytes(_NONCE)
        hidden = nonce + self._now.seal.encrypt(nonce, _bytes(value), field.encode())
        return f"{SEALED}:{self._now.name}:{_text(hidden)}"

    def alias(self, field: str, value: str) -> str:
        """A name that stands for a value: the same for the same value of a field, as long as the key is the newest."""
        return f"{ALIAS}:{self._now.name}:{_text(self._now.alias.encrypt(_bytes(value), [field.encode()]))}"

    def hash(self, value: str) -> str:
        """A keyed fingerprint of a value, which nobody turns back."""
        return self._now.prints.of(value)

    def reveal(self, field: str, hidden: str) -> str:
        """What a sealed value or an alias of a field stands for. Raises RejectedError where it cannot be told."""
        match = _HIDDEN.match(hidden)
        if match is None:
            raise RejectedError(
                f"{hidden[:60]!r} is neither a sealed value nor an alias", hint="give it whole: alias:KEY:…"
            )
        kind, name, text = match.groups()
        key = self._keys.get(name)
        if key is None:
            raise RejectedError(
                f"the key {name!r} is not at hand",
                hint="put it back into the file that privacy.key names, below the newest",
            )
        try:
            data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            if kind == ALIAS:
                return key.alias.decrypt(data, [field.encode()]).decode()
            return key.seal.decrypt(data[:_NONCE], data[_NONCE:], field.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise RejectedError(
                "it was not made from this field with this key", hint=f"was it another field than {field}?"
            ) from error


def hidden(value: str) -> bool:
    """Whether a value is hidden already, so that a line that comes twice is not hidden twice."""
    return value.startswith(("sealed:", "alias:")) and _HIDDEN.match(value) is not None


def _derived(secret: str, purpose: bytes, size: int) -> bytes:
    return HKDF(SHA256(), size, salt=None, info=b"tocsin privacy " + purpose).derive(secret.encode())


def _bytes(value: str) -> bytes:
    return value[:LONGEST].encode("utf-8", "replace")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
