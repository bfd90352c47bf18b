"""Logs to test with: every implementation under one fixture."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

import pytest

from stream.frame import Frame, Header, pack
from stream.log import Log
from stream.sqlite import open_log

Opened = AbstractContextManager[Log]


def _embedded(folder: Path, _: pytest.FixtureRequest) -> Opened:
    return open_log(folder, reserve_bytes=0)


def _on_kafka(folder: Path, request: pytest.FixtureRequest) -> Opened:
    from stream.kafka import KafkaLog
    from tests.services.kafka import fresh_log

    server = request.getfixturevalue("kafka_server")
    return KafkaLog(fresh_log(server, f"t{sha256(str(folder).encode()).hexdigest()[:16]}"))


IMPLEMENTATIONS: Final[Mapping[str, Callable[[Path, pytest.FixtureRequest], Opened]]] = {
    "stream.kafka.KafkaLog": _on_kafka,
    "stream.sqlite.SqliteLog": _embedded,
}
"""How each implementation of the contract is opened over what is kept under a folder's name, again and again."""
MARKS: Final = {"stream.kafka.KafkaLog": (pytest.mark.kafka, pytest.mark.xdist_group("kafka"))}

DAY: Final = 86_400.0
NOON: Final = 20_000 * DAY + DAY / 2


def _frame_of(number: int, received: float = NOON, size: int = 20) -> Frame:
    filler = Random(number).randbytes(size // 2).hex()  # hardly compresses
    line = f'{{"time":{received},"server":"s","method":"m","target":"{number}-{filler}"}}'
    header = Header(received=received, count=1, first=received, last=received, source="test", digest=f"{number:064x}")
    return pack(header, line.encode())


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in sorted(IMPLEMENTATIONS)])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Opened]:
    """Opens the same log again."""
    opener = IMPLEMENTATIONS[request.param]
    return lambda: opener(tmp_path / "data", request)


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
