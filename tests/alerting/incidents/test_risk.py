from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.database.store import Store
from alerting.deciding.decide import Situation, decide
from alerting.deciding.policy import Policies
from alerting.incidents.risk import HALF_LIFE, Risk, added, corroborated, entities, points
from alerting.incidents.risk_list import top
from alerting.queries import Filter, list_incidents, why
from stream.sqlite import SqliteLog
from tests.alerting.test_task import a_task
from tests.alerting.world import NOON, a_finding, findings_frame, put


def sign(class_: Any = "brute", detector: str = "failed_auth", score: int = 50, **more: Any) -> Any:
    return a_finding(class_, "medium", detector=detector, score=score, id=f"{class_}-{detector}-{score}", **more)


def after(*findings: Any, at: float = NOON) -> Risk:
    risk = Risk()
    for finding in findings:
        risk = added(risk, finding, at)
    return risk


def test_risk_is_of_those_who_act_and_of_their_tenant() -> None:
    finding = a_finding(entity={"user": "alice", "server": "billing", "source_ip": "203.0.113.9"})
    assert entities(finding) == [("user", "alice", "acme"), ("source_ip", "203.0.113.9", "acme")]


@pytest.mark.parametrize(
    ("more", "weighs"),
    [
        ({}, 50.0),
        ({"confidence": 0.5}, 25.0),
        ({"mode": "shadow"}, 12.5),
        ({"mode": "observe"}, 25.0),
        ({"facts": {"data_classes": ("pii", "payment")}}, 75.0),
    ],
)
def test_a_finding_weighs_its_score_by_confidence_mode_and_data(more: dict[str, Any], weighs: float) -> None:
    assert points(sign(**more)) == weighs


def test_risk_halves_each_day() -> None:
    assert after(sign()).now(NOON + HALF_LIFE) == pytest.approx(25.0)


def test_different_signs_add_up_and_the_same_one_counts_at_its_worst() -> None:
    assert after(sign(), sign("volume_burst", "data_volume", 60)).points == pytest.approx(110.0)
    assert after(sign(), sign(score=60), sign(score=40)).points == pytest.approx(60.0)


def test_only_several_detectors_corroborate() -> None:
    alone = after(sign(score=90), sign("spray", score=90))
    both = after(sign(score=90), sign("volume_burst", "data_volume", 40))
    assert not corroborated(alone, NOON, 120.0)
    assert corroborated(both, NOON, 120.0)
    assert not corroborated(both, NOON + HALF_LIFE, 120.0)


SIGNS = st.builds(sign, st.sampled_from(("brute", "outlier")), st.sampled_from(("a", "b")), st.integers(1, 100))


@given(st.lists(SIGNS, max_size=30))
def test_risk_is_bounded_and_its_order_does_not_matter(findings: list[Any]) -> None:
    forth, back = after(*findings), after(*reversed(findings))
    assert forth.points == pytest.approx(back.points)
    assert forth.points <= 400
    assert len(forth.signs) <= 8


def test_a_corroborated_sign_one_severity_below_the_page_is_told_with_the_risk() -> None:
    finding = sign()
    decision = decide(finding, Situation(corroborated="risk 130"), Policies(), NOON)
    assert (decision.page, decision.reason, decision.detail) == (True, "new", "risk 130")
    assert not decide(finding, Situation(corroborated="risk 130"), Policies(page_from="critical"), NOON).page
    low = a_finding("outlier", "low")
    assert decide(low, Situation(corroborated="risk 130"), Policies(), NOON).reason == "below_page"


def test_weak_signs_of_several_detectors_together_wake_somebody_once(log: SqliteLog, store: Store) -> None:
    signs = [
        sign("scope_probing", "failed_auth", 47),
        sign("volume_burst", "data_volume", 47),
        sign("outlier", "outlier", 40),
        sign("enumeration", "failed_auth", 47),
    ]
    for number, finding in enumerate(signs):
        put(log, findings_frame([finding], NOON + number, number))
    a_task(log, store).advance(wait=0)
    decided = [
        (one["finding"].split("-")[0], one["page"])
        for incident in list_incidents(store, Filter(state="all"))
        for one in why(store, incident.id)["decisions"]
    ]
    assert sorted(decided) == [
        ("enumeration", True),
        ("outlier", True),
        ("scope_probing", False),
        ("volume_burst", False),
    ]
    (worst,) = top(store, NOON + 4)
    assert worst["points"] == pytest.approx(181.0, abs=0.1)
    assert [one["class"] for one in worst["signs"]][-1] == "outlier"
