"""Logs to test with: every implementation under one fixture."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import Final

import pytest

from stream.frame import Frame, Header, pack
from stream.log import Log
from stream.sqlite import open_log

Opened = AbstractContextManager[Log]

IMPLEMENTATIONS: Final[Mapping[str, Callable[[Path], Opened]]] = {
    "stream.sqlite.SqliteLog": lambda folder: open_log(folder, reserve_bytes=0),
}
"""How each implementation of the contract is opened over what is kept in a folder, again and again."""

DAY: Final = 86_400.0
NOON: Final = 20_000 * DAY + DAY / 2


def _frame_of(number: int, received: float = NOON, size: int = 20) -> Frame:
    filler = Random(number).randbytes(size // 2).hex()  # hardly compresses
    line = f'{{"time":{received},"server":"s","method":"m","target":"{number}-{filler}"}}'
    header = Header(received=received, count=1, first=received, last=received, source="test", digest=f"{number:064x}")
    return pack(header, line.encode())


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Opened]:
    """Opens the same log again."""
    opener = IMPLEMENTATIONS[request.param]
    return lambda: opener(tmp_path / "data")


@pytest.fixture
def log(reopen: Callable[[], Opened]) -> Iterator[Log]:
    """A new, empty log."""
    with reopen() as opened:
        yield opened


@pytest.fixture
def implementations() -> frozenset[str]:
    """The implementations that this suite runs over."""
    return frozenset(IMPLEMENTATIONS)


@pytest.fixture
def frame_of() -> Callable[..., Frame]:
    """Makes a frame that tells its number: `frame_of(number, received=NOON, size=20)`."""
    return _frame_of
