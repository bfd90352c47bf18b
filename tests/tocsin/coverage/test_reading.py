"""Keeping coverage beside a log: in the file and in the log itself, whatever is lost or stops."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stream.control import Fact, control_frame, read_control
from stream.coverage import Covered, Watched
from stream.directory import EMPTY
from stream.frame import Record, unpack
from stream.log import EVENTS
from stream.sqlite import SqliteLog, open_log
from tests.detectors.streams import START
from tests.tocsin.coverage.history import busy, record_all, ticks
from tocsin.coverage.answer import Ask
from tocsin.coverage.reading import Covering, Looked
from tocsin.coverage.refusals import Refused
from tocsin.coverage.store import FILE, CoverageStore


class Place:
    """A log in a folder, and what keeps its coverage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = START
        self.log: SqliteLog = open_log(folder, clock=lambda: self.now)
        self.failed: dict[str, float] = {}
        self.refused: dict[str, int] = {}
        self.of: dict[str, dict[str, int]] = {}
        self.covering = self.again()

    def again(self) -> Covering:
        """As after a restart."""
        self.store = CoverageStore(self.folder / FILE)
        return Covering(self.log, self.store, self.tell, self.looked, lambda: self.failed, self.refusals)

    def refusals(self) -> Refused:
        """What was refused so far."""
        return Refused(dict(self.refused), {source: dict(own) for source, own in self.of.items()})

    def looked(self) -> Looked:
        """Detection is as far as the log."""
        return Looked(self.now, {"failed_auth": "1.0"})

    def tell(self, fact: Fact) -> None:
        """Bring a fact into the log."""
        self.log.append(EVENTS, control_frame(fact, self.now)).result(10)

    def receive(self, records: Sequence[Record]) -> None:
        """Frames come, and are read."""
        for record in records:
            self.now = max(self.now, record.frame.header.received)
            self.log.append(EVENTS, record.frame)
        self.log.append(EVENTS, ticks(int(self.now - START) + 1, int(self.now - START) + 2)[0].frame).result(10)
        self.read()

    def read(self) -> None:
        """Until nothing is left to be read."""
        while self.covering.position < self.log.end(EVENTS):
            self.covering.turn()

    def records(self) -> list[Covered | Watched]:
        """The coverage records that the log itself holds."""
        found: list[Covered | Watched] = []
        position = 0
        while frames := self.log.read(EVENTS, position):
            for offset, frame in frames:
                position = offset + 1
                if frame.header.content == "control":
                    facts = [read_control(line) for line in unpack(frame).split(b"\n") if line]
                    found += [fact for fact in facts if isinstance(fact, Covered | Watched)]
        return found

    def answer(self, since: float = 0.0, until: float = 3600.0) -> dict[str, Any]:
        """What is known of a stretch."""
        return self.covering.answer(Ask(START + since, START + until), EMPTY)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.covering.close()
    made.log.close()


def test_closed_stretches_stand_in_the_file_and_in_the_log(place: Place) -> None:
    place.receive(record_all(busy(), until=4000))
    kept = list(place.store.covered(0.0, 1e12))
    told = [one for one in place.records() if isinstance(one, Covered)]
    assert kept == told
    assert sum(counts.received for one in kept for counts in one.counts) == len(busy())


def test_an_answer_knows_what_has_not_closed_yet(place: Place) -> None:
    place.receive(record_all(busy(120), until=200))
    assert list(place.store.covered(0.0, 1e12)) == []
    assert place.answer(until=60)["events"] == len([one for one in busy(120) if one.time < START + 300])


def test_a_restart_counts_nothing_twice(place: Place) -> None:
    records = record_all(busy(), until=4000)
    for begin in range(0, len(records), 400):
        place.receive(records[begin : begin + 400])
        place.covering.close()
        place.covering = place.again()
    place.read()
    assert place.answer()["events"] == len(busy())
    told = [one.cell for one in place.records() if isinstance(one, Covered)]
    assert len(told) == len(set(told))


def test_a_file_that_is_lost_is_made_anew_from_the_log(place: Place) -> None:
    place.receive(record_all(busy(), until=4000))
    before, kept = place.answer(), list(place.store.covered(0.0, 1e12))
    told = place.records()
    place.covering.close()
    for path in place.folder.glob(f"{FILE}*"):
        path.unlink()
    place.covering = place.again()
    place.read()
    assert list(place.store.covered(0.0, 1e12)) == kept
    assert [one for one in place.records() if isinstance(one, Covered)] == [
        one for one in told if isinstance(one, Covered)
    ], "the log is told nothing twice"
    assert place.answer()["producers"] == before["producers"]


def test_a_file_of_another_log_begins_anew(place: Place, tmp_path: Path) -> None:
    place.receive(record_all(busy(), until=4000))
    place.covering.close()
    other = Place(tmp_path / "other")
    (tmp_path / "other" / FILE).unlink()
    (tmp_path / "other" / FILE).write_bytes((place.folder / FILE).read_bytes())
    other.covering = other.again()
    assert other.covering.position == 0
    other.covering.close()
    other.log.close()
    place.covering = place.again()


def test_who_looked_and_what_was_refused_is_written_down_every_five_minutes(place: Place) -> None:
    place.receive(ticks(0, 10))
    place.refused["line"] = 2
    place.receive(record_all(busy(600), until=700))
    place.refused["line"] = 5
    place.failed["failed_auth"] = place.now + 100
    place.receive(ticks(800, 1200, 20))
    said = list(place.store.watched(0.0, 1e12))
    assert [one.refused for one in said][-1] == {"line": 3}
    assert said[-1].failed == ("failed_auth",)
    assert all(one.until == other.since for one, other in pairwise(said))
    assert [one for one in place.records() if isinstance(one, Watched)] == said
    told = place.answer(until=1000)
    assert told["detectors"][0]["failed"] >= 1
    assert not told["looked_at"]


def test_what_was_refused_just_before_the_end_is_told_after_the_next_start(place: Place) -> None:
    place.receive(record_all(busy(300), until=320))
    place.receive(ticks(320, 330))
    place.refused["line"] = 4
    place.of["gateway"] = {"line": 4}
    place.covering.close()
    place.refused.clear()
    place.of.clear()
    place.covering = place.again()
    place.read()
    told = place.answer(until=600)
    assert told["refused"] == {"line": 4}
    assert told["refused_from"] == [{"key": "gateway", "refused": {"line": 4}}]


def test_a_damaged_frame_stops_nothing(place: Place) -> None:
    records = record_all(busy(300), until=400)
    broken = records[3].frame
    assert broken.header.content == "events"
    broken.payload, broken.decoded = b"not what was written", None
    place.receive(records)
    assert place.answer(until=300)["events"] > 0
