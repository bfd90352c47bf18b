"""The form of a backup: a line that says what it is, then a compressed tar in chunks, encrypted or not."""

import io
import secrets
from pathlib import Path
from typing import IO, Final, cast

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap

from stream.encryption.keys import SIZE, Master
from stream.errors import UNREADABLE, ConfigError, DamagedError

VERSION: Final = 1
CHUNK: Final = 1024 * 1024
LONGEST_HEAD: Final = 4096
_LENGTH: Final = 4
_LAST: Final = b"last"
_MORE: Final = b"more"


class Head(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The first line of a backup. `master` names the master key that wrapped its key, where it is encrypted."""

    tocsin_backup: int = VERSION
    made: str
    by: str
    master: str = ""
    wrapped: str = ""


_HEAD: Final = msgspec.json.Decoder(Head)


class Writer(io.RawIOBase):
    """Takes bytes and writes chunks: length, then the chunk; each bound to its number and to whether it is the last."""

    def __init__(self, file: IO[bytes], head: Head, master: Master | None) -> None:
        self._file = file
        self._cipher: AESGCM | None = None
        if master is not None:
            key = secrets.token_bytes(SIZE)
            head = msgspec.structs.replace(head, master=master.id, wrapped=master.wrap(key))
            self._cipher = AESGCM(key)
        first = msgspec.json.encode(head)
        file.write(first + b"\n")
        self._head = first
        self._number = 0
        self._held = bytearray()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: object) -> int:
        """Take bytes."""
        part = bytes(memoryview(data))  # type: ignore[arg-type]  # whatever has bytes
        self._held += part
        while len(self._held) > CHUNK:
            self._put(bytes(self._held[:CHUNK]), _MORE)
            del self._held[:CHUNK]
        return len(part)

    def close(self) -> None:
        """Write the last chunk, once."""
        if not self.closed:
            self._put(bytes(self._held), _LAST)
        super().close()

    def _put(self, chunk: bytes, place: bytes) -> None:
        if self._cipher is not None:
            chunk = self._cipher.encrypt(self._number.to_bytes(12, "big"), chunk, place + self._head)
        self._number += 1
        self._file.write(len(chunk).to_bytes(_LENGTH, "big") + place + chunk)


class Reader(io.RawIOBase):
    """Gives the bytes back. Raises DamagedError where they are not those that were written, or not all of them."""

    def __init__(self, file: IO[bytes], path: Path, masters: tuple[Master, ...]) -> None:
        self._file = file
        self._path = path
        first = file.readline(LONGEST_HEAD)
        try:
            self.head = _HEAD.decode(first)
        except UNREADABLE as error:
            raise self._damaged("is no backup of Tocsin") from error
        if self.head.tocsin_backup != VERSION:
            raise ConfigError("was written by another version of Tocsin", where=str(path), hint="use that one")
        self._first = first.rstrip(b"\n")
        self._cipher = self._opened(masters) if self.head.master else None
        self._number = 0
        self._held = b""
        self._ended = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer as far as the next chunk goes."""
        into = memoryview(buffer)  # type: ignore[arg-type]  # whatever takes bytes
        while not self._held and not self._ended:
            self._next()
        part, self._held = self._held[: len(into)], self._held[len(into) :]
        into[: len(part)] = part
        return len(part)

    def _next(self) -> None:
        start = self._file.read(_LENGTH + len(_LAST))
        length, place = int.from_bytes(start[:_LENGTH], "big"), start[_LENGTH:]
        if len(start) < _LENGTH + len(_LAST) or length > CHUNK + 64 or place not in (_LAST, _MORE):
            raise self._damaged("ends before its end, or was changed")
        chunk = self._file.read(length)
        if len(chunk) != length:
            raise self._damaged("ends before its end")
        if self._cipher is not None:
            try:
                chunk = self._cipher.decrypt(self._number.to_bytes(12, "big"), chunk, place + self._first)
            except InvalidTag as error:
                raise self._damaged("is not what was written") from error
        self._number += 1
        self._held = chunk
        self._ended = place == _LAST

    def _opened(self, masters: tuple[Master, ...]) -> AESGCM:
        master = next((one for one in masters if one.id == self.head.master), None)
        if master is None:
            raise ConfigError(
                f"the backup is encrypted under the master key {self.head.master[:32]}, which is not there",
                where=str(self._path),
                hint="name the configuration whose `encrypt:` has it with --config",
            )
        try:
            return AESGCM(master.unwrap(self.head.wrapped))
        except (InvalidUnwrap, ValueError) as error:
            raise self._damaged("is not what was written: its key cannot be unwrapped") from error

    def _damaged(self, what: str) -> DamagedError:
        return DamagedError(what, where=str(self._path), hint="use another backup")


def compressed(writer: Writer) -> IO[bytes]:
    """What a tar is written into."""
    return zstandard.ZstdCompressor(level=3, write_checksum=True).stream_writer(cast(IO[bytes], writer), closefd=False)


def expanded(reader: Reader) -> IO[bytes]:
    """What a tar is read from."""
    return zstandard.ZstdDecompressor().stream_reader(cast(IO[bytes], reader), closefd=False)
