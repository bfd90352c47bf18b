"""What a detector was not shown under overload is a stretch that coverage names."""

import pytest

from stream.control import Shed
from stream.coverage import Covered, Watched
from stream.facts import Facts
from stream.frame import Record
from tests.detectors.streams import START, control
from tests.tocsin.coverage.history import busy, record_all
from tocsin.coverage.answer import Ask, answer
from tocsin.coverage.counter import Counter

LOOKED = Watched(START - 100, START + 9_000, {"failed_auth": "1.0", "outlier": "1.0"})


def records() -> list[Record]:
    facts = [control(400, Shed(("outlier",))), control(1000, Shed(()))]
    ordered = sorted([*record_all(busy(), until=9000), *facts], key=lambda record: record.frame.header.received)
    return [Record(offset, record.frame) for offset, record in enumerate(ordered)]


@pytest.mark.parametrize("restart", [0, 100, 250, 10_000])
def test_the_stretch_is_named_for_that_detector_alone(restart: int) -> None:
    counter, made = Counter(), list[Covered]()
    for at, record in enumerate(records()):
        if at == restart:
            packed, counter = counter.fold.pack(), Counter()
            counter.fold.unpack(packed)
        made += counter.take(record).closed
    ask = Ask(START, START + 3600, known=counter.fold.known)
    told = answer([*made, counter.present().covered], [LOOKED], ask, Facts())
    by = {one["detector"]: one for one in told["detectors"]}
    assert [(one["from"][11:19], one["to"][11:19]) for one in by["outlier"]["shed"]] == [("00:06:40", "00:16:40")]
    assert by["outlier"]["not_looked_at"] == by["outlier"]["shed"]
    assert by["failed_auth"]["not_looked_at"] == []
    assert "outlier was left out for a while, since too much waited" in told["why"]
    assert not told["looked_at"]


def test_one_that_is_still_left_out_is_so_as_far_as_is_known() -> None:
    counter = Counter()
    early = [record for record in records() if record.frame.header.received < START + 900]
    made = [one for record in early for one in counter.take(record).closed]
    known = counter.present()
    told = answer([*made, known.covered], [LOOKED], Ask(START, START + 800, known=known.known), Facts())
    (shed,) = next(one for one in told["detectors"] if one["detector"] == "outlier")["shed"]
    assert shed["to"] >= told["counted_until"]
