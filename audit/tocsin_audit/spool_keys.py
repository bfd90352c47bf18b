"""Keys of the spool: what waits on disk is AES-256-GCM, where the operator gives a key and `cryptography` is there."""

import base64
import binascii
import hashlib
import importlib
import os
from typing import Any, Final

SIZE: Final = 32
"""Bytes of a key."""
_MAGIC: Final = b"tcs1"
_NONCE: Final = 12


class SpoolKeys:
    """Encrypts with the first of its keys, decrypts with any; each is known by an id that tells nothing of it.

    Raises ValueError saying what to do where a text is no key, or the library is missing.
    """

    def __init__(self, text: str) -> None:
        self._ciphers: dict[str, Any] = {}
        try:
            module = importlib.import_module("cryptography.hazmat.primitives.ciphers.aead")
        except ImportError:
            raise ValueError("encryption needs a library; hint: pip install 'tocsin-audit[encrypt]'") from None
        for part in text.split(","):
            key = _key(part.strip())
            self._ciphers[hashlib.sha256(b"tocsin spool key\0" + key).hexdigest()[:8]] = module.AESGCM(key)
        self.id: Final = next(iter(self._ciphers))

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all keys."""
        return frozenset(self._ciphers)

    def seal(self, name: str, content: bytes) -> bytes:
        """Bytes as they are stored, bound to a name."""
        nonce = os.urandom(_NONCE)
        sealed: bytes = self._ciphers[self.id].encrypt(nonce, content, name.encode())
        return _MAGIC + self.id.encode() + nonce + sealed

    def open(self, name: str, stored: bytes) -> bytes:
        """What `seal` was given; raises ValueError where it is not what was written, or under no key of these."""
        start = len(_MAGIC) + len(self.id)
        cipher = self._ciphers.get(stored[len(_MAGIC) : start].decode("ascii", "replace"))
        if not stored.startswith(_MAGIC) or cipher is None:
            raise ValueError("it is not encrypted under a key that is there")
        try:
            content: bytes = cipher.decrypt(stored[start : start + _NONCE], stored[start + _NONCE :], name.encode())
        except Exception as error:
            # The library's error for a wrong tag is none of Python's, and the library may not be there to name it.
            raise ValueError("it is not what was written") from error
        return content


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text) if len(text) == 2 * SIZE else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != SIZE:
        raise ValueError("a key is 32 random bytes in hexadecimal or base64; hint: openssl rand -base64 32")
    return key
