"""How far a file was read, and by what it is known again after a rename, a copy, a compression or a restart."""

from hashlib import sha256
from typing import Final

import msgspec

HEAD: Final = 1024
"""First bytes of a file by whose digest it is known again, at most."""


class Position(msgspec.Struct):
    """One file, whatever it is called today.

    `key` names its content in event ids and in the log, so a copy has the same. `offset` is where the next record
    begins, in bytes after decompression; `head` is the digest of the first `head_size` bytes, also after it. `pieces`
    are the beginnings of records that a container runtime has split, by stream; `skipping` says that the rest of a line
    is too long, `moved` that the file was put away under another name. The inode of a file that is gone is 0.
    """

    key: str
    path: str
    device: int
    inode: int
    seen: float
    offset: int = 0
    head: str = ""
    head_size: int = 0
    pieces: dict[str, bytes] = {}
    skipping: bool = False
    compressed: bool = False
    moved: bool = False
    done: bool = False

    @property
    def place(self) -> tuple[int, int]:
        """Where the file system keeps it."""
        return self.device, self.inode

    def knows(self, head: bytes) -> bool:
        """Whether a file that begins so can be this one."""
        return len(head) >= self.head_size and digest(head[: self.head_size]) == self.head

    def learn(self, head: bytes) -> None:
        """Remember as much of how the file begins as there is, of what was read."""
        size = min(len(head), self.offset, HEAD)
        if size > self.head_size:
            self.head, self.head_size = digest(head[:size]), size


class Kept(msgspec.Struct):
    """All positions of an input, and how many files it has met."""

    files: list[Position] = []
    met: int = 0


ENCODER: Final = msgspec.msgpack.Encoder()
DECODER: Final = msgspec.msgpack.Decoder(Kept)


def digest(data: bytes) -> str:
    """What stands for bytes."""
    return sha256(data).hexdigest()


EMPTY: Final = digest(b"")
