from typing import Any

import pytest

from alerting.database.store import Store
from alerting.deciding.mute import DAY, check, mute, unmute
from alerting.deciding.policy import Policies
from alerting.pilot import Past, preview, replay, report
from alerting.queries import mutes, why
from alerting.routing.route import Receiver, Routes
from alerting.task import AlertTask, act_frame
from stream.control import Muted, Unmuted
from stream.errors import RejectedError
from stream.log import FINDINGS
from stream.sqlite import SqliteLog
from tests.alerting.world import NOON, a_finding, findings_frame, put, tick

ROUTES = Routes((Receiver("on-call", pagers=("pd",)),))


def a_mute(*where: str, **more: Any) -> Muted:
    made: dict[str, Any] = {
        "id": "m" * 32,
        "kind": "silence",
        "start": NOON,
        "until": NOON + 600,
        "owner": "ann",
        "reason": "OPS-7",
    }
    return Muted(where=where, by="ann", at=NOON, **(made | more))


@pytest.mark.parametrize(
    ("muted", "says"),
    [
        (a_mute(), "needs 1 to 20 conditions"),
        (a_mute("tenant=acme", owner=" "), "an owner and a reason"),
        (a_mute("tenant=acme", reason=""), "an owner and a reason"),
        (a_mute("tenant=acme", until=NOON), "end before it begins"),
        (a_mute("tenant=acme", until=NOON + 31 * DAY), "30 days at most"),
        (a_mute("tenant=acme", kind="exception", until=NOON + 401 * DAY), "400 days at most"),
        (a_mute("class=canary"), "canary must never be silent"),
        (a_mute("class=cross_tenant_read,success_after"), "must never be silent"),
        (a_mute("klass=brute"), "did you mean 'class'"),
    ],
)
def test_what_must_not_be_made_is_refused_with_the_reason(muted: Muted, says: str) -> None:
    with pytest.raises(RejectedError) as caught:
        check(muted)
    assert says in str(caught.value)


def test_what_must_never_be_silent_is_spared_and_named() -> None:
    assert "success_after" in check(a_mute("tenant=acme")).spared
    assert check(a_mute("class=brute")).spared == ()
    assert check(a_mute("class=canary", forced=True)).spared == ()


def a_task(log: SqliteLog, store: Store) -> AlertTask:
    return AlertTask(log, store, Policies(), routes=ROUTES)


def reasons(store: Store, finding_id: str) -> list[tuple[str, str]]:
    from alerting.queries import Filter, list_incidents

    incident = list_incidents(store, Filter(state="all"))[0]
    return [
        (one["reason"], one["detail"]) for one in why(store, incident.id)["decisions"] if one["finding"] == finding_id
    ]


def test_a_silence_holds_from_when_it_is_folded_until_its_end(log: SqliteLog, store: Store) -> None:
    first, second = a_finding(), a_finding(level=1, severity="critical")
    put(log, act_frame(a_mute("class=brute"), NOON), findings_frame([first], NOON + 1, 0))
    put(log, findings_frame([second], NOON + 601, 1))
    a_task(log, store).advance(wait=0)
    assert reasons(store, first.id) == [("silenced", "m" * 32)]
    assert reasons(store, second.id) == [("escalated", "")]
    (known,) = mutes(store, NOON + 601, all_=True)
    assert (known["state"], known["held"], known["by"], known["where"]) == ("ended", 1, "ann", ["class=brute"])
    assert mutes(store, NOON + 601) == []


def test_a_silence_can_be_ended_before_its_time_and_only_once(log: SqliteLog, store: Store) -> None:
    finding = a_finding()
    put(log, act_frame(a_mute("class=brute"), NOON), act_frame(Unmuted(id="m" * 32, by="bob", at=NOON + 1), NOON + 1))
    put(log, findings_frame([finding], NOON + 2, 0))
    a_task(log, store).advance(wait=0)
    assert reasons(store, finding.id) == [("new", "")]
    (known,) = mutes(store, NOON + 2, all_=True)
    assert known["ended_by"] == "bob"
    with store.unit() as unit:
        assert unmute(unit, Unmuted(id="m" * 32, by="bob", at=NOON + 3), NOON + 3) is not None
        assert mute(unit, a_mute("class=brute")) is None
    assert [one["state"] for one in mutes(store, NOON + 3, all_=True)] == ["ended"]


def test_an_act_that_may_not_be_done_changes_nothing(log: SqliteLog, store: Store) -> None:
    put(log, act_frame(a_mute("class=canary"), NOON), tick(NOON + 1, 0))
    a_task(log, store).advance(wait=0)
    assert mutes(store, NOON, all_=True) == []
    assert log.end(FINDINGS) == 2


def some_past() -> list[Past]:
    """Five days: each day a brute force on another account, one burst of volume still in shadow, one canary."""
    found: list[Past] = []
    for day in range(5):
        at = NOON + day * DAY
        found.append(Past(at, a_finding(entity={"user": f"u{day}"}, at=at)))
        found.append(Past(at + 60, a_finding("volume_burst", entity={"client": "etl"}, at=at, mode="shadow")))
    found.append(Past(found[-1].at, a_finding("canary", "critical", at=found[-1].at)))
    return found


def test_a_preview_says_what_would_have_been_hidden() -> None:
    seen = preview(some_past(), check(a_mute("class=brute")).matcher, Policies(), ROUTES)
    assert (seen["findings"], seen["incidents"]) == (5, 5)
    assert seen["pages_before"] - seen["pages_after"] == 5
    assert seen["classes"] == {"brute": 5}
    nothing = preview([], check(a_mute("class=brute")).matcher, Policies(), ROUTES)
    assert (nothing["findings"], nothing["pages_before"], nothing["looked_at"]) == (0, 0, 0)


def test_a_preview_hides_nothing_that_must_never_be_silent() -> None:
    everything = check(a_mute("severity>=notice")).matcher
    seen = preview(some_past(), everything, Policies(), ROUTES)
    assert seen["pages_after"] == 1
    assert "canary" not in seen["classes"]


def test_the_pilots_report_takes_everything_as_live() -> None:
    told = report(some_past(), Policies(observe=True), ROUTES)
    assert told["pages"] == 7
    assert told["pages_per_week"] == pytest.approx(12.25, abs=0.1)
    (one,) = told["detectors"]
    assert one["modes"] == {"live": 6, "shadow": 5}
    assert one["classes"] == {"brute": 5, "volume_burst": 1, "canary": 1}
    assert report([], Policies(), ROUTES)["detectors"] == []


def test_a_replay_without_changes_decides_as_it_was_decided() -> None:
    decided = replay(some_past(), Policies(), ROUTES)
    assert [one.decision.reason for one in decided if one.finding.class_ == "volume_burst"] == ["observed_only"] * 5
    assert sum(one.page_id is not None for one in decided) == 6
