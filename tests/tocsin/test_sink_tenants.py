"""`tenants` on a sink in the configuration: what it sends, and what cannot be asked for."""

import pytest

from alerting.runbook import Runbooks
from alerting.wording.message import Messages
from alerting.wording.texts import alert_of
from tests.alerting.deciding.test_decide import a_record
from tests.alerting.world import NOON, a_finding
from tocsin.config.faults import FaultsError
from tocsin.config.whole import parse_config
from tocsin.setup import assemble

SCREEN = """
sinks:
  acme:
    type: terminal
    tenants: [acme]
  everybody:
    type: terminal
"""


def test_what_a_sink_for_some_tenants_sends_holds_nothing_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    plans = {plan.name: plan for plan in assemble(parse_config(SCREEN)).sinks}
    texts = Messages(Runbooks())
    alerts = []
    for tenant in ("acme", "globex"):
        finding = a_finding("brute", tenant=tenant, entity={"user": f"somebody-of-{tenant}"})
        alerts.append(alert_of(texts, a_record(finding), "opened", "new", NOON, findings=(finding,)))
    for name in ("everybody", "acme"):
        sink = plans[name].make()
        assert [result.outcome for result in sink.deliver(alerts, frozenset())] == ["done", "done"]
        sink.close()
        told = capsys.readouterr().out
        assert "somebody-of-acme" in told
        assert ("globex" in told) is (name == "everybody")


def test_events_are_of_every_tenant_and_not_for_such_a_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "c2VjcmV0")
    said = "type: elasticsearch, url: 'https://siem.example', api_key: {env: KEY}, events: [], tenants: [acme]"
    siem = f"sinks: {{siem: {{{said}}}}}"
    with pytest.raises(FaultsError, match="events are sent of every tenant"):
        assemble(parse_config(siem))


def test_no_tenant_at_all_is_a_fault() -> None:
    with pytest.raises(FaultsError):
        parse_config("sinks: {screen: {type: terminal, tenants: []}}")
