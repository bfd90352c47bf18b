"""Encryption at rest: AES-256-GCM under data keys, which a master key wraps.

Each purpose (events, findings, state, …) has a data key of its own, a new one every day; the file of wrapped keys lies
beside the data and is worth nothing without the master key. Frames stay encrypted in memory until `frame.unpack`, so
that chain, seals and backups are over what is stored and need no key.
"""

import secrets
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stream.crypt_keys import KeyRing
from stream.errors import DamagedError
from stream.frame import Frame, Header, Record

MAGIC: Final = b"tce1"
"""What encrypted bytes begin with that are no frame."""
_NONCE: Final = 12
_ID: Final = 16


class Crypt:
    """Encrypts and decrypts what a data directory holds; safe to use from any thread.

    `now` is the wall clock in seconds at the start; from then on the frames' receipt says when a data key is old.
    """

    def __init__(self, ring: KeyRing, now: float) -> None:
        self._ring = ring
        self._clock = now
        self._ciphers: dict[str, AESGCM] = {}

    def sealed(self, frame: Frame) -> Frame:
        """The frame as it is stored: its payload encrypted, and bound to its header."""
        if not frame.payload or frame.header.key_id is not None:
            return frame
        self._clock = max(self._clock, frame.header.received)
        id_ = self._ring.current(frame.header.content, self._clock)
        header = msgspec.structs.replace(frame.header, key_id=id_)
        nonce = secrets.token_bytes(_NONCE)
        payload = nonce + self._cipher(id_).encrypt(nonce, frame.payload, _bound(header))
        return Frame(header, payload, frame.decoded, self)

    def opened(self, header: Header, payload: bytes) -> bytes:
        """A stored payload as it was before; raises DamagedError where it is not what was written."""
        assert header.key_id is not None
        try:
            return self._cipher(header.key_id).decrypt(payload[:_NONCE], payload[_NONCE:], _bound(header))
        except (InvalidTag, ValueError) as error:
            raise _damaged("an encrypted frame is not what was written, or belongs to another header") from error

    def with_keys(self, records: Sequence[Record]) -> Sequence[Record]:
        """Records that were read, able to be unpacked."""
        for record in records:
            record.frame.keys = self
        return records

    def seal(self, purpose: str, name: str, content: bytes) -> bytes:
        """Bytes as they are stored, bound to a purpose and a name."""
        id_ = self._ring.current(purpose, self._clock)
        nonce = secrets.token_bytes(_NONCE)
        bound = f"{purpose}\0{name}".encode()
        return MAGIC + id_.encode() + nonce + self._cipher(id_).encrypt(nonce, content, bound)

    def open(self, purpose: str, name: str, stored: bytes) -> bytes:
        """What `seal` was given; bytes from before there was encryption stay as they are.

        Raises DamagedError where it is not what was written.
        """
        if not stored.startswith(MAGIC):
            return stored
        at = len(MAGIC) + _ID
        id_ = stored[len(MAGIC) : at].decode("ascii", "replace")
        try:
            bound = f"{purpose}\0{name}".encode()
            return self._cipher(id_).decrypt(stored[at : at + _NONCE], stored[at + _NONCE :], bound)
        except (InvalidTag, ValueError) as error:
            raise _damaged(f"{name} is not what was written") from error

    def _cipher(self, id_: str) -> AESGCM:
        cipher = self._ciphers.get(id_)
        if cipher is None:
            cipher = self._ciphers[id_] = AESGCM(self._ring.key(id_))
        return cipher


def _bound(header: Header) -> bytes:
    """What of a header a payload is bound to: no other frame's, and under no other key."""
    parts = (header.received, header.content, header.count, header.source, header.digest, header.tenant, header.key_id)
    return msgspec.msgpack.encode((*parts, header.line, header.codec))


def _damaged(what: str) -> DamagedError:
    return DamagedError(what, hint="run `tocsin verify`; restore the file from a backup, with its keyring.json")
