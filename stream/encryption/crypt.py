"""Encryption at rest: AES-256-GCM under data keys, which a master key wraps.

Each purpose (events, findings, state, …) has a data key of its own, a new one every day, and a tenant one of its own
for the frames that are all about it. Wrapped keys are worth nothing without the master key: they lie in a file beside
the data, and on Kafka in each record. Frames stay encrypted in memory until `frame.unpack`, so that chain, seals and
backups are over what is stored and need no key.
"""

import secrets
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stream.encryption.keys import FILE, DataKeys
from stream.errors import DamagedError
from stream.frame import Frame, Header, Record, unpack

MAGIC: Final = b"tce2"
"""What encrypted bytes begin with that are no frame."""
_NONCE: Final = 12
_CIPHERS: Final = 10_000
"""Keys that are held ready at most."""


class _Whose(msgspec.Struct):
    """What of a finding says whose it is."""

    tenant: str | None = None


_WHOSE: Final = msgspec.json.Decoder(_Whose)


class Crypt:
    """Encrypts and decrypts what a data directory holds; safe to use from any thread.

    `now` is the wall clock in seconds at the start; from then on the frames' receipt says when a data key is old.
    """

    def __init__(self, ring: DataKeys, now: float) -> None:
        self.ring: Final = ring
        self._clock = now
        self._ciphers: dict[str, AESGCM] = {}

    def sealed(self, frame: Frame) -> Frame:
        """The frame as it is stored: its payload encrypted, and bound to its header."""
        self._clock = max(self._clock, frame.header.received)
        if not frame.payload or frame.header.key_id is not None:
            return frame
        id_ = self.ring.current(frame.header.content, self._clock, tenant_of(frame))
        header = msgspec.structs.replace(frame.header, key_id=id_)
        nonce = secrets.token_bytes(_NONCE)
        payload = nonce + self._cipher(id_).encrypt(nonce, frame.payload, _bound(header))
        return Frame(header, payload, frame.decoded, self, frame.lines, frame.stretch)

    def again(self, header: Header, payload: bytes) -> bytes:
        """Another payload in the place of one that was encrypted, under the same data key and bound to the header."""
        assert header.key_id is not None
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher(header.key_id).encrypt(nonce, payload, _bound(header))

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
        id_ = self.ring.current(purpose, self._clock)
        nonce = secrets.token_bytes(_NONCE)
        bound = f"{purpose}\0{name}".encode()
        name_ = id_.encode()
        return MAGIC + bytes((len(name_),)) + name_ + nonce + self._cipher(id_).encrypt(nonce, content, bound)

    def open(self, purpose: str, name: str, stored: bytes) -> bytes:
        """What `seal` was given; bytes from before there was encryption stay as they are.

        Raises DamagedError where it is not what was written.
        """
        if not stored.startswith(MAGIC):
            return stored
        id_ = key_of(stored) or ""
        at = len(MAGIC) + 1 + len(id_)
        try:
            bound = f"{purpose}\0{name}".encode()
            return self._cipher(id_).decrypt(stored[at : at + _NONCE], stored[at + _NONCE :], bound)
        except (InvalidTag, ValueError) as error:
            raise _damaged(f"{name} is not what was written") from error

    def _cipher(self, id_: str) -> AESGCM:
        cipher = self._ciphers.get(id_)
        if cipher is None:
            cipher = AESGCM(self.ring.key(id_))
            if len(self._ciphers) >= _CIPHERS:
                self._ciphers = {}
            self._ciphers[id_] = cipher
        return cipher


def key_of(stored: bytes) -> str | None:
    """The id of the data key that bytes were stored under, of which the first few do; None where they are plain."""
    begin = len(MAGIC) + 1
    if not stored.startswith(MAGIC) or len(stored) < begin:
        return None
    return stored[begin : begin + stored[begin - 1]].decode("ascii", "replace")


def tenant_of(frame: Frame) -> str:
    """The tenant that all lines of a frame are about; empty where they are about several, or none."""
    if frame.header.content == "events" and frame.decoded is not None:
        tenants = {event.tenant for event in frame.decoded}
    elif frame.header.content == "findings":
        tenants = {_WHOSE.decode(line).tenant for line in unpack(frame).splitlines()}
    else:
        return ""
    return (tenants.pop() or "") if len(tenants) == 1 else ""


def _bound(header: Header) -> bytes:
    """What of a header a payload is bound to: no other frame's, and under no other key."""
    parts = (header.received, header.content, header.count, header.source, header.digest, header.tenant, header.key_id)
    return msgspec.msgpack.encode((*parts, header.line, header.codec))


def _damaged(what: str) -> DamagedError:
    return DamagedError(what, hint=f"run `tocsin verify`; restore the file from a backup, with its {FILE}")
