"""Under which mode detectors look: the operator's words go before what is earned, a tenant's before everybody's."""

from detectors.data_volume import DETECTOR as VOLUME
from detectors.engine.warmup import AUTOMATIC
from detectors.failed_auth import DETECTOR as AUTH
from stream.control import Warmth
from stream.coverage import Mode, Watched
from tests.detectors.streams import START
from tests.tocsin.coverage.test_answer import ask, whole
from tocsin.coverage.modes import modes_in

SPECS = (AUTH.spec, VOLUME.spec)


def test_without_a_word_it_is_as_the_detector_warms_up() -> None:
    assert modes_in(SPECS, ()) == (Mode("data_volume", "", "earned"), Mode("failed_auth", "", "live"))


def test_the_operators_words_hold_in_their_order() -> None:
    said = [
        Warmth("shadow", "failed_auth"),
        Warmth(AUTOMATIC),
        Warmth("observe", "data_volume"),
        Warmth("live", "data_volume", "acme"),
        Warmth("shadow", None, "globex"),
    ]
    assert modes_in(SPECS, said) == (
        Mode("data_volume", "", "observe"),
        Mode("data_volume", "acme", "live"),
        Mode("failed_auth", "", "live"),
        Mode("failed_auth", "globex", "shadow"),
    )


def test_coverage_says_when_a_detector_was_only_observed_and_for_whom() -> None:
    versions = {"failed_auth": "1.0"}
    first = Watched(START - 100, START + 600, versions, modes=(Mode("failed_auth", "", "observe"),))
    own = Mode("failed_auth", "globex", "shadow")
    second = Watched(START + 600, START + 9000, versions, modes=(Mode("failed_auth", "", "live"), own))
    (told,) = ask(whole(), until=1200, watched=(first, second))["detectors"]
    assert [(one["mode"], one.get("tenant"), one["from"][11:16], one["to"][11:16]) for one in told["modes"]] == [
        ("observe", None, "00:00", "00:10"),
        ("live", None, "00:10", "00:20"),
        ("shadow", "globex", "00:10", "00:20"),
    ]
    (told,) = ask(whole(), until=1200, watched=(first, second), tenants=frozenset({"acme"}))["detectors"]
    assert {one["mode"] for one in told["modes"]} == {"observe", "live"}
