"""Coverage of several partitions: what one process counts, another is asked for, and nobody counts twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from detectors.engine.own_gaps import detector_failed
from detectors.failed_auth import DETECTOR
from stream.coverage import SECONDS, Covered, Watched
from stream.directory import EMPTY
from stream.finding import ENCODER
from stream.frame import Header, Origin, pack
from stream.log import FINDINGS
from tests.detectors.streams import START
from tests.tocsin.coverage.history import busy, record_all
from tests.tocsin.coverage.several import SeveralLog
from tocsin.coverage.answer import Ask
from tocsin.coverage.fold import Fold
from tocsin.coverage.following import Following
from tocsin.coverage.keeping import Keeper
from tocsin.coverage.refusals import Refused, Refusing
from tocsin.coverage.store import FILE, CoverageStore

PARTITIONS = 3


def keeper(log: SeveralLog) -> Keeper:
    return Keeper(log, log.tell, tasks=PARTITIONS, detectors={"failed_auth": "1.0"})


def read_all(kept: Keeper, log: SeveralLog) -> None:
    while kept.turn() or log.read(FINDINGS, kept.heard):
        pass


@pytest.fixture
def log() -> SeveralLog:
    return SeveralLog(PARTITIONS)


@pytest.fixture
def following(log: SeveralLog, tmp_path: Path) -> Iterator[Following]:
    made = Following(log, CoverageStore(tmp_path / FILE))
    yield made
    made.close()


def follow(following: Following, log: SeveralLog) -> None:
    while following.position < log.end(FINDINGS):
        following.turn()


def test_several_partitions_come_to_what_one_comes_to(log: SeveralLog) -> None:
    records = record_all(busy(), until=4000)
    one = Fold()
    alone = [made for record in records for made in one.take(record)]
    log.receive(records)
    read_all(keeper(log), log)
    together = [fact for fact in log.told() if isinstance(fact, Covered)]
    assert [made.cell for made in together] == [made.cell for made in alone]
    assert [made.counts for made in together] == [made.counts for made in alone]
    numbers = [[(gap.producer, gap.first, gap.last) for gap in made.gaps] for made in together]
    assert numbers == [[(gap.producer, gap.first, gap.last) for gap in made.gaps] for made in alone]


@pytest.mark.parametrize("every", [7, 50, 333])
def test_whoever_goes_on_from_the_last_snapshot_says_what_one_says_that_never_stopped(every: int) -> None:
    records = record_all(busy(1800), until=2400)
    whole, parts = SeveralLog(PARTITIONS), SeveralLog(PARTITIONS)
    whole.receive(records)
    read_all(keeper(whole), whole)
    for begin in range(0, len(records), every):
        parts.receive(records[begin : begin + every])
        read_all(keeper(parts), parts)
    said = {fact.cell: fact for fact in parts.told() if isinstance(fact, Covered)}
    assert list(said.values()) == [fact for fact in whole.told() if isinstance(fact, Covered)]


def test_an_answer_is_what_the_records_in_the_findings_come_to(log: SeveralLog, following: Following) -> None:
    log.receive(record_all(busy(), until=4000))
    assert following.known == 0.0
    assert not following.answer(Ask(START, START + 600), EMPTY)["logged"], "nothing was counted yet"
    read_all(keeper(log), log)
    follow(following, log)
    assert following.known == START + 3600
    told = following.answer(Ask(START, START + 3600), EMPTY)
    assert told["why"] == ["20 running numbers of p2 never came"]
    assert told["events"] == len(busy())
    assert [one["not_looked_at"] for one in told["detectors"]] == [[]]


def test_a_file_that_is_lost_is_made_anew_from_the_findings(
    log: SeveralLog, following: Following, tmp_path: Path
) -> None:
    log.receive(record_all(busy(), until=4000))
    read_all(keeper(log), log)
    follow(following, log)
    other = Following(log, CoverageStore(tmp_path / "other.sqlite"))
    follow(other, log)
    ask = Ask(START, START + 3600)
    assert other.answer(ask, EMPTY) == following.answer(ask, EMPTY)
    other.close()


def test_a_repeated_word_counts_once(log: SeveralLog, following: Following) -> None:
    log.receive(record_all(busy(), until=4000))
    read_all(keeper(log), log)
    for fact in log.told():
        log.tell(fact)
    follow(following, log)
    assert following.answer(Ask(START, START + 3600), EMPTY)["events"] == len(busy())


def test_what_a_slower_task_has_not_looked_at_is_not_said_to_be(log: SeveralLog) -> None:
    log.receive(record_all(busy(900), until=900))
    ahead = Header(received=START + 5000, content="tick", codec="none", origin=Origin("detect", 0, 10_000, 0))
    log.append(FINDINGS, pack(ahead, b""))
    read_all(keeper(log), log)
    said = [fact for fact in log.told() if isinstance(fact, Watched)]
    assert said
    assert max(fact.until for fact in said) <= START + 900


def test_a_detector_that_failed_in_any_process_is_named(log: SeveralLog, following: Following) -> None:
    log.receive(record_all(busy(300), until=320))
    failed = detector_failed(DETECTOR.spec, ValueError("x"), int(START // 86_400), START + 310)
    header = Header(received=START + 310, content="findings", count=1, origin=Origin("detect", 1, 20_000, 0))
    log.append(FINDINGS, pack(header, ENCODER.encode(failed)))
    log.receive(record_all([], until=1300)[20:])
    read_all(keeper(log), log)
    follow(following, log)
    told = following.answer(Ask(START, START + 600), EMPTY)
    assert "failed_auth failed on something" in told["why"]


def test_several_listeners_say_what_each_refused(log: SeveralLog, following: Following) -> None:
    log.receive(record_all(busy(900), until=1300))
    read_all(keeper(log), log)
    now = [START]

    def listener(by: str, counts: dict[str, int]) -> Refusing:
        refused = Refused(counts, {"gateway": {"line": counts["line"]}})
        return Refusing(lambda: refused, log.tell, by, lambda: now[0], lambda _: False)

    both = [listener("one", {"line": 2}), listener("other", {"line": 3, "401": 1})]
    now[0] += SECONDS
    for said in both * 2:
        said.turn()
    follow(following, log)
    told = following.answer(Ask(START, START + 600), EMPTY)
    assert told["refused"] == {"401": 1, "line": 5}
    assert told["refused_from"] == [{"key": "gateway", "refused": {"line": 5}}]
    assert "6 lines or requests were refused" not in told["why"]
    assert any("5 lines or requests were refused" in why for why in told["why"])


def test_numbers_that_are_missing_now_show_before_their_stretch_closes(log: SeveralLog) -> None:
    log.receive(record_all(busy(700), until=720))
    kept = keeper(log)
    read_all(kept, log)
    assert kept.counter.missing == 20
