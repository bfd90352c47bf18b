"""Container runtimes wrap each line, and split long ones: what was written comes back whole.

CRI: `TIME stdout|stderr P|F TEXT`, P for a part that goes on. Docker's json-file: `{"log": …, "stream": …, "time": …}`,
where a part that goes on has no line end.
"""

import re
from datetime import datetime
from typing import Final, Literal, NamedTuple

import msgspec

Container = Literal["auto", "none", "cri", "docker"]

_CRI: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\S{8,26}) (stdout|stderr) ([PF])(?::\S*)? ?")
_DOCKER: Final = b'{"log":"'
_FRACTION: Final = re.compile(r"(\.\d{1,6})\d*")


class Piece(NamedTuple):
    """What one line of a container's log holds: text of a stream, when it was written, whether the record ends."""

    text: bytes
    stream: str
    time: float | None
    ends: bool


class _Docker(msgspec.Struct):
    log: str
    stream: str = "stdout"
    time: str = ""


_DOCKER_LINE: Final = msgspec.json.Decoder(_Docker)


def unwrap(line: bytes, container: Container) -> Piece | None:
    """What a line of a container's log holds; None where it is not wrapped so."""
    if container in ("auto", "cri") and (match := _CRI.match(line)) is not None:
        return Piece(
            line[match.end() :],
            match[2].decode(errors="replace"),
            moment(match[1].decode(errors="replace")),
            match[3] == b"F",
        )
    if container in ("auto", "docker") and line.startswith(_DOCKER):
        try:
            found = _DOCKER_LINE.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        ends = found.log.endswith("\n")
        text = found.log.rstrip("\r\n") if ends else found.log
        return Piece(text.encode("utf-8", "replace"), found.stream[:16], moment(found.time), ends)
    return None


def moment(text: str) -> float | None:
    """An RFC 3339 time as seconds since the epoch, None where it is none."""
    try:
        return datetime.fromisoformat(_FRACTION.sub(r"\1", text).replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return None
