"""The heartbeat over real HTTP, and the words for why there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.front import Front, Reply, unavailable
from tests.tocsin.lines import NOON
from tests.tocsin.program import Program, until
from tocsin.config.faults import FaultsError
from tocsin.config.whole import parse_config
from tocsin.setup import assemble
from tocsin.upkeep.heartbeat import Heartbeat, HeartbeatPlan, Pulse, why_silent


@pytest.fixture
def front() -> Iterator[Front]:
    with Front(lambda _: Reply(200, b"OK")) as running:
        yield running


def plan(url: str) -> HeartbeatPlan:
    return HeartbeatPlan(url, 60.0, "GET", {"x-key": "abc"}, None, 5.0)


def test_it_beats_while_the_clock_moves_and_nothing_is_wrong() -> None:
    before = Pulse(NOON)
    assert why_silent(before, Pulse(NOON + 60)) == ""
    assert why_silent(before, Pulse(NOON)) == "the clock of alerting stands still"
    assert why_silent(before, Pulse(NOON + 60, ("alert", "detect"))) == "alert, detect cannot go on"
    assert why_silent(before, None) == "another process decides"
    assert why_silent(None, Pulse(NOON)) == "it has just begun"


def test_a_beat_is_one_request_and_a_standstill_is_none(front: Front) -> None:
    pulses = [Pulse(NOON), Pulse(NOON + 60), Pulse(NOON + 60), Pulse(NOON + 180)]
    heart = Heartbeat(plan(f"{front.url}/ping/secret"), lambda: pulses.pop(0))
    assert [heart.beat() != "" for _ in range(4)] == [True, False, True, False]
    assert [(request.method, request.path, request.body) for request in front.requests] == [
        ("GET", "/ping/secret", b"")
    ] * 2
    assert front.requests[0].headers["x-key"] == "abc"
    heart.stop()


def test_a_service_that_is_down_harms_nothing_and_is_told(front: Front) -> None:
    clock = iter(range(100))
    heart = Heartbeat(plan(front.url), lambda: Pulse(NOON + next(clock)))
    heart.beat()
    front.always = unavailable(500)
    assert heart.beat() == "the answer was HTTP 500"
    front.always = None
    assert heart.beat() == ""
    heart.stop()
    with Front(lambda _: Reply(200)) as gone:
        url = gone.url
    silent = Heartbeat(plan(url), lambda: Pulse(NOON + next(clock)))
    silent.beat()
    assert "failed" in silent.beat()
    silent.stop()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("heartbeat: {url: https://a.example/x}", "Secret"),
        ("heartbeat: {url: {env: TOCSIN_TEST_NO_SUCH}}", "is not set"),
        ("heartbeat: {url: {file: address}}", "https://"),
        ("heartbeat: {every: 60}", "is missing"),
        ("heartbeat: {url: {file: good}, ca: nowhere.pem}", "certificates cannot be read"),
    ],
)
def test_what_cannot_beat_is_a_fault_of_the_configuration(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "address").write_text("ftp://a.example")
    (tmp_path / "good").write_text("https://a.example")
    with pytest.raises(FaultsError) as caught:
        assemble(parse_config(text, base=tmp_path))
    assert says in str(caught.value)


def test_a_running_tocsin_beats_and_one_that_ended_does_not(tmp_path: Path, front: Front) -> None:
    (tmp_path / "address").write_text(front.url)
    with Program(tmp_path, {"heartbeat": {"url": {"file": "address"}, "every": 1.5}}) as program:
        program.ready()
        until(lambda: len(front.requests) >= 2, "two heartbeats")
        program.stop()
    beaten = len(front.requests)
    with Program(tmp_path) as again:
        again.ready()
        until(lambda: len(front.requests) > beaten, "a heartbeat after the restart")
