from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerting.sinks.elasticsearch.documents import NUMBERS, documents, threat
from stream.finding import SEVERITIES
from tests.alerting.sinks.hostile import ESCAPES, LIVE
from tests.alerting.sinks.samples import a_finding, a_hostile_alert, an_alert, an_incident


def body(**changes: Any) -> dict[str, Any]:
    found, _ = documents(an_alert(1, findings=(a_finding(**changes),)), "default")
    return found.body


def test_a_finding_and_a_change_have_ids_that_do_not_depend_on_the_attempt() -> None:
    assert [document.id for document in documents(an_alert(1), "default")] == ["f-1", "i-1:1"]


def test_a_finding_is_an_ecs_alert() -> None:
    found = body()
    assert found["event"] == {
        "kind": "alert",
        "category": ["intrusion_detection"],
        "type": ["info"],
        "action": "failed_auth",
        "id": "f-1",
        "severity": 73,
        "risk_score": 80.0,
        "reason": "40 principals failed from one address in 5 minutes; at most 3 are usual",
        "start": "2026-11-21T11:55:00.000000Z",
        "end": "2026-11-21T12:00:00.000000Z",
        "module": "tocsin",
        "provider": "tocsin",
        "dataset": "tocsin.alert",
    }
    assert found["source"] == {"address": "203.0.113.9", "ip": "203.0.113.9"}
    assert found["organization"] == {"id": "acme"}
    assert found["related"] == {"ip": ["203.0.113.9"]}
    assert found["data_stream"] == {"type": "logs", "dataset": "tocsin.alert", "namespace": "default"}


def test_severities_rise() -> None:
    numbers = [NUMBERS[severity] for severity in SEVERITIES]
    assert numbers == sorted(set(numbers))


def test_only_attack_techniques_are_threat_techniques() -> None:
    found = body()
    assert found["threat"] == {
        "framework": "MITRE ATT&CK",
        "technique": {"id": ["T1110"], "name": ["Brute Force"], "subtechnique": {"id": ["T1110.003"]}},
    }
    assert found["tocsin"]["finding"]["techniques"] == ["T1110.003", "AML.T0012", "SAFE-T1005"]
    assert threat(("AML.T0012",)) == {}


def test_an_issuer_and_subject_become_a_user() -> None:
    found = body(entity={"user": "https://idp.acme.example|alice"}, facts={"user": ("https://idp.acme.example|bob",)})
    assert found["user"] == {"id": "https://idp.acme.example|alice", "name": "alice"}
    assert found["related"]["user"] == ["https://idp.acme.example|alice", "https://idp.acme.example|bob"]


def test_what_is_no_address_does_not_cost_the_document() -> None:
    found = body(entity={"source_ip": "not an address"}, facts={"source_ip": ("2001:DB8:0::1", "x")})
    assert found["source"] == {"address": "not an address"}
    assert found["related"] == {"ip": ["2001:db8::1"]}


def test_a_change_of_an_incident_carries_its_state() -> None:
    incident = an_incident(revision=3, status="resolved", verdict="true_positive")
    _, change = documents(an_alert(1, "resolved", revision=3, incident=incident, findings=(a_finding(),)), "prod")
    assert change.id == "i-1:3"
    assert change.body["event"]["kind"] == "event"
    assert change.body["event"]["action"] == "incident-resolved"
    assert change.body["tocsin"]["incident"]["status"] == "resolved"
    assert change.body["tocsin"]["incident"]["verdict"] == "true_positive"


@given(words=st.text(max_size=100))
def test_any_words_make_documents_whose_prose_is_harmless(words: str) -> None:
    for document in documents(a_hostile_alert(1, words), "default"):
        assert len(msgspec.json.encode(document.body)) < 1_000_000
        for text in (document.body.get("message", ""), document.body["event"].get("reason", "")):
            assert not ESCAPES.search(text)
            assert not LIVE.search(text)
