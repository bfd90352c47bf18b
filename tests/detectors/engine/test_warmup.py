"""A finding's mode follows the evidence, unless the operator said otherwise."""

import msgspec
import pytest

from detectors.base import Entity, Spec
from detectors.engine.live import Live
from detectors.engine.warmup import Warmup
from stream.control import Warmth
from stream.finding import Class, Finding
from tests.detectors.streams import DAY, HOUR, START

SPEC = Spec(
    name="d",
    version="1",
    by=("principal",),
    cells=(3600,),
    classes=("brute", "volume_burst", "novelty"),
    warm_up={"volume_burst": "volume", "novelty": "learned"},
)


def someone(identity: int = 1, peers: int = 9) -> Live:
    live = Live(("acme", f"u{identity}"), identity, Entity("principal", "k", {"user": "u"}, "acme"), [None])
    live.peers = peers
    return live


def finding(class_: Class) -> Finding:
    return Finding(
        id="0" * 32,
        detector="d",
        version="1",
        class_=class_,
        entity={"user": "u"},
        tenant="acme",
        severity="high",
        title="t",
        start=START,
        end=START,
        time=START,
    )


def active(warmup: Warmup, live: Live, hours: int, *, every: float = HOUR) -> None:
    for number in range(hours):
        warmup.hour(live, int(START + number * every))


def mode(warmup: Warmup, live: Live, class_: Class, clock: float = START, *, imported: bool = False) -> str:
    return warmup.mode(SPEC, finding(class_), live, clock, imported=imported)


def test_facts_need_no_warm_up() -> None:
    assert mode(Warmup(), someone(), "brute") == "live"


@pytest.mark.parametrize(
    ("hours", "every", "expected"),
    [
        (24, 3 * HOUR, "live"),
        (23, 4 * HOUR, "shadow"),
        (40, HOUR, "shadow"),
        (7, DAY, "live"),
        (6, DAY, "shadow"),
        (7, 7 * DAY, "live"),
    ],
)
def test_volume_needs_a_day_of_hours_over_three_days_or_a_week_of_days(hours: int, every: float, expected: str) -> None:
    warmup, live = Warmup(), someone()
    active(warmup, live, hours, every=every)
    assert mode(warmup, live, "volume_burst") == expected


def test_five_warm_peers_stand_in_for_an_own_past() -> None:
    warmup = Warmup()
    for number in range(5):
        assert mode(warmup, someone(), "volume_burst") == "shadow"
        active(warmup, someone(100 + number), 24, every=3 * HOUR)
    assert mode(warmup, someone(), "volume_burst") == "live"
    assert mode(warmup, someone(peers=10), "volume_burst") == "shadow"


def test_what_is_learned_is_told_after_fourteen_days_of_the_tenant() -> None:
    warmup = Warmup()
    warmup.arrived("globex", START)
    warmup.arrived("acme", START + DAY)
    assert mode(warmup, someone(), "novelty", START + 14.5 * DAY) == "shadow"
    assert mode(warmup, someone(), "novelty", START + 15 * DAY) == "live"


def test_history_that_was_imported_is_observed_only() -> None:
    assert mode(Warmup(), someone(), "brute", imported=True) == "observe"
    assert mode(Warmup(), someone(), "novelty", imported=True) == "shadow"


def test_the_operator_has_the_last_word_and_the_closest_counts() -> None:
    warmup = Warmup()
    warmup.obey(Warmth("observe"))
    assert mode(warmup, someone(), "brute") == "observe"
    warmup.obey(Warmth("shadow", detector="d"))
    assert mode(warmup, someone(), "brute") == "shadow"
    warmup.obey(Warmth("live", detector="d", tenant="acme"))
    assert mode(warmup, someone(), "volume_burst") == "live"
    warmup.obey(Warmth("auto", detector="d", tenant="acme"))
    warmup.obey(Warmth("auto", detector="d"))
    warmup.obey(Warmth("auto"))
    assert mode(warmup, someone(), "volume_burst") == "shadow"


def test_evidence_survives_a_snapshot() -> None:
    warmup, restored = Warmup(), Warmup()
    warmup.arrived("acme", START)
    for number in range(5):
        active(warmup, someone(number), 24, every=3 * HOUR)
    warmup.obey(Warmth("observe", detector="other"))
    restored.unpack(msgspec.msgpack.decode(msgspec.msgpack.encode(warmup.pack())))
    assert mode(restored, someone(), "volume_burst") == "live"
    assert mode(restored, someone(), "novelty", START + 14 * DAY) == "live"
