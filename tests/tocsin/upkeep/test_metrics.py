"""Metrics count what happened and measure the way of an event, without history spoiling the figures."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream.frame import Frame, Header, Record
from tests.alerting.sinks.samples import an_alert
from tests.tocsin.lines import NOON
from tocsin.upkeep.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: NOON + 10)


def values(metrics: Metrics) -> dict[str, float]:
    """Every sample by its name and labels."""
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.page().decode())
        for sample in family.samples
    }


def a_record(**header: Any) -> Record:
    plain: dict[str, Any] = {"received": NOON + 8, "count": 5, "first": NOON, "last": NOON + 7}
    return Record(0, Frame(Header(**{**plain, **header}), b""))


def test_the_way_of_an_event_is_measured_stage_by_stage(metrics: Metrics) -> None:
    alert = an_alert()
    (finding, *_) = alert.findings
    metrics.received(1000, 0.02)
    metrics.accepted(5)
    metrics.folded(a_record(), alert.findings)
    metrics.decided("new")
    metrics.delivered("siem", alert, "done", alert.time + 3)
    found = values(metrics)
    class_ = finding.class_
    assert found["tocsin_received_bytes_total"] == 1000
    assert found["tocsin_events_accepted_total"] == metrics.total_accepted == 5
    assert found["tocsin_event_to_receipt_seconds_sum"] == 1
    assert found[f"tocsin_receipt_to_finding_seconds_sum {class_}"] == 2
    assert found[f"tocsin_finding_to_delivered_seconds_sum {class_} siem"] == pytest.approx(3)
    assert found[f"tocsin_event_to_delivered_seconds_count {class_} siem"] == 1
    assert found["tocsin_decisions_total new"] == 1
    assert found["tocsin_deliveries_total done siem"] == metrics.total_delivered == 1


def test_imported_history_and_ticks_are_not_measured(metrics: Metrics) -> None:
    alert = an_alert()
    metrics.folded(a_record(imported=True), alert.findings)
    metrics.folded(a_record(content="tick"), ())
    found = values(metrics)
    assert found["tocsin_event_to_receipt_seconds_count"] == 0
    assert not [name for name in found if name.startswith("tocsin_receipt_to_finding_seconds")]
    assert metrics.total_findings == len(alert.findings)


def test_a_clock_that_is_behind_makes_no_negative_times(metrics: Metrics) -> None:
    alert = an_alert()
    metrics.folded(a_record(received=NOON + 60, last=NOON + 90), alert.findings)
    metrics.delivered("siem", alert, "done", 0.0)
    assert all(value >= 0 for name, value in values(metrics).items() if name.endswith("_sum"))


def test_a_delivery_that_failed_counts_as_an_attempt_alone(metrics: Metrics) -> None:
    metrics.delivered("siem", an_alert(), "retry", NOON)
    assert values(metrics)["tocsin_deliveries_total retry siem"] == 1
    assert metrics.total_delivered == 0


def test_a_stages_problem_and_a_watched_value_are_shown_as_they_are_now(metrics: Metrics) -> None:
    backlog = 5.0
    metrics.watch("tocsin_backlog", "what waits", lambda: backlog)
    metrics.problem("detect", there=True)
    assert (values(metrics)["tocsin_backlog"], values(metrics)["tocsin_problem detect"]) == (5, 1)
    backlog = 7.0
    metrics.problem("detect", there=False)
    assert (values(metrics)["tocsin_backlog"], values(metrics)["tocsin_problem detect"]) == (7, 0)


def test_two_running_side_by_side_do_not_share_figures(metrics: Metrics) -> None:
    other = Metrics(lambda: 0.0)
    other.accepted(9)
    assert values(metrics)["tocsin_events_accepted_total"] == 0
