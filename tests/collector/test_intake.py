"""The intake makes events durable before it answers, at the pace of whoever folds them."""

import asyncio

import pytest

from collector.admit import Admitted, admit
from collector.intake import AHEAD, BEHIND, PATIENCE, PAUSE, Intake, Kept
from collector.keys import Key
from stream.log import EVENTS
from stream.memory import MemoryLog

LINE = b'{"time": 1795154400, "server": "crm", "method": "tools/call", "id": "e-%d"}'
RECEIVED = 1_795_154_401.0


class Reader:
    """A reader that takes one frame between two looks, from so many that wait for it; `looks` counts them."""

    def __init__(self, waiting: int, pace: int = 1) -> None:
        self.waiting = waiting
        self.pace = pace
        self.looks = 0

    def __call__(self) -> int:
        self.looks += 1
        self.waiting -= self.pace
        return self.waiting


def keep(reader: Reader) -> Kept:
    intake = Intake(MemoryLog())
    intake.lag = reader
    admitted = Admitted()
    key = Key(id="k", hash="", created=0.0)
    admit(admitted, [LINE % 1], [1], key, 1 << 20)
    return asyncio.run(intake.keep(admitted, "0" * 64, key, RECEIVED))


def test_nobody_waits_for_a_reader_that_is_near() -> None:
    reader = Reader(AHEAD)
    assert keep(reader).accepted == 1
    assert reader.looks == 1


def test_an_answer_waits_until_a_reader_somewhat_behind_is_near_again() -> None:
    reader = Reader(AHEAD + 6)
    assert keep(reader).accepted == 1
    assert reader.waiting == AHEAD
    assert reader.looks == 6


@pytest.mark.parametrize("waiting", [AHEAD + 1, BEHIND - 1])
def test_a_reader_that_stands_still_keeps_no_event_out(waiting: int) -> None:
    reader = Reader(waiting, pace=0)
    assert keep(reader).accepted == 1
    assert reader.looks == round(PATIENCE / PAUSE)


def test_nobody_waits_for_a_reader_that_is_far_behind() -> None:
    reader = Reader(BEHIND, pace=0)
    assert keep(reader).end == 1
    assert reader.looks == 1


def test_where_nobody_folds_there_is_nobody_to_wait_for() -> None:
    log = MemoryLog()
    assert Intake(log).lag() == 0
    assert log.read(EVENTS, 0) == ()
