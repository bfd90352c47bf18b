"""What sealed notes say was removed on purpose: frames, payloads, rows, or some of a frame's lines."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from stream.errors import DamagedError

KIND: Final = "removed"
"""The kind of a note that says that something is about to be removed."""
DONE: Final = "removal"
"""The kind of a note that says what a removal came to, once all of it was carried out."""


class Removal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One note: what of which partition goes, why, and by which job, which further notes may belong to.

    `frames` (or rows of a table) and `payloads` go from an offset to before another, or where `frames` names some,
    those alone. Each frame named has a bitmap in hex of the lines that go and the SHA-256 in hex of the payload that is
    left; both are empty where all of it goes. Of `frames` that payload stands at another place of the partition.
    `file` and `head` are the name of a file that goes as a whole, and the chain digest of its last frame.
    """

    what: Literal["frames", "payloads", "lines"]
    stream: str
    partition: int
    begin: int
    end: int
    why: str = ""
    job: str = ""
    time: str = ""
    frames: dict[str, tuple[str, str]] = {}
    file: str = ""
    head: str = ""


_DECODER: Final = msgspec.json.Decoder(Removal)


def removal(number: int, body: bytes) -> Removal:
    """What a note of the kind `removed` says. Raises DamagedError naming the note."""
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise DamagedError(f"the note {number} does not say what was removed ({error})") from error


class Left(NamedTuple):
    """What a note says of a frame that lost lines."""

    lines: str
    digest: str


class Removals:
    """What all sealed notes together say, to be asked for each frame."""

    def __init__(self, said: Iterable[tuple[int, Removal]] = ()) -> None:
        self.notes: dict[int, Removal] = dict(said)
        spans: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
        self._left: dict[tuple[str, int, int], dict[int, Left]] = {}
        for number, note in self.notes.items():
            whole = "payloads" if note.what == "lines" else note.what
            gone = spans.setdefault((whole, note.stream, note.partition), [])
            for offset, (lines, digest) in note.frames.items():
                if digest:
                    place = (note.stream, note.partition, int(offset))
                    self._left.setdefault(place, {})[number] = Left(lines, digest)
                if not digest or note.what == "frames":
                    gone.append((int(offset), int(offset) + 1))
            if not note.frames:
                gone.append((note.begin, note.end))
        self._spans: Mapping[tuple[str, str, int], list[tuple[int, int]]] = {
            place: _joined(found) for place, found in spans.items()
        }

    def gone(self, what: Literal["frames", "payloads"], stream: str, partition: int, begin: int, end: int) -> bool:
        """Whether notes say that all of a range was taken away, or at least its payloads."""
        asked = ("frames",) if what == "frames" else ("frames", "payloads")
        return any(_covers(self._spans.get((kind, stream, partition), []), begin, end) for kind in asked)

    def known(self, stream: str, partition: int, offset: int, digest: str) -> Left | None:
        """What some note says is left of a frame, where that has this digest."""
        said = self._left.get((stream, partition, offset), {}).values()
        return next((left for left in said if left.digest == digest), None)

    def left(self, stream: str, partition: int, offset: int, note: int) -> Left | None:
        """What a note says is left of a frame."""
        return self._left.get((stream, partition, offset), {}).get(note)


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _covers(spans: list[tuple[int, int]], begin: int, end: int) -> bool:
    at = bisect_right(spans, begin, key=lambda span: span[0]) - 1
    return at >= 0 and end <= spans[at][1]
