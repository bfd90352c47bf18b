from typing import Any

import msgspec

from alerting.alert import REASONS, Alert
from alerting.runbook import Runbooks
from alerting.wording.message import Messages, digest_text
from tests.alerting.deciding.test_decide import a_record
from tests.alerting.delivering.test_outbox import an_alert
from tests.alerting.world import NOON, a_finding

MESSAGES = Messages(Runbooks())


def an_alert_of(*findings_: object, **more: object) -> Alert:
    finding = a_finding()
    alert = Alert(
        id="i.1",
        time=NOON,
        change="opened",
        reason="new",
        page=True,
        incident=a_record().incident(),
        findings=(finding,),
    )
    return msgspec.structs.replace(alert, **more)


def test_an_alert_says_what_happened_why_now_about_whom_and_what_next() -> None:
    lines = MESSAGES.of_change(an_alert_of()).splitlines()
    assert lines[0] == "HIGH [acme] brute noticed"
    assert lines[1] == "What happened: 41 failures in 60 s (expected: at most 8)"
    assert lines[2] == "Why it matters: passwords are being tried"
    assert lines[3] == "When: 2024-10-04T12:00:00Z; 41 events, confidence 100%"
    assert lines[4] == "Why now: It is new."
    assert lines[5] == "About: user hxxps(:)//idp.example|alice, tenant acme"
    assert [line[:2] for line in lines[7:10]] == ["1.", "2.", "3."]
    assert lines[10].endswith(f"tocsin incident show {a_record().id[:12]}")


def test_when_it_was_are_the_events_not_the_window_that_they_were_counted_in() -> None:
    hour: dict[str, Any] = {"start": NOON - 3000, "end": NOON + 600, "time": NOON}
    seen = a_finding(first=NOON - 40, **hour)
    assert "When: 2024-10-04T11:59:20Z to 2024-10-04T12:00:00Z;" in MESSAGES.of_change(an_alert_of(findings=(seen,)))
    counted = a_finding(**hour)
    assert "When: 2024-10-04T11:10:00Z to 2024-10-04T12:00:00Z;" in MESSAGES.of_change(an_alert_of(findings=(counted,)))


def test_a_page_says_how_to_take_it_until_somebody_has() -> None:
    assert f"take it: tocsin incident ack {a_record().id[:12]};" in MESSAGES.of_change(an_alert_of())
    taken = a_record(status="acknowledged").incident()
    assert "take it" not in MESSAGES.of_change(an_alert_of(incident=taken))
    assert "take it" not in MESSAGES.of_change(an_alert_of(page=False))


def test_every_reason_has_words() -> None:
    for reason in REASONS:
        assert "Why now: " in MESSAGES.of_change(an_alert_of(reason=reason))


def test_what_has_ended_needs_no_next_step() -> None:
    closed = a_record(status="closed").incident()
    assert "Next:" not in MESSAGES.of_change(
        an_alert_of(change="closed", reason="closed", incident=closed, findings=())
    )


def test_a_strangers_words_are_no_markup_and_no_new_lines() -> None:
    hostile = "x\n\x1b[2J<script>@channel [y](https://evil.example)"
    finding = a_finding(observed=hostile, expected=hostile, why=hostile)
    incident = a_record(title=hostile, entity={"user": hostile}).incident()
    text = MESSAGES.of_change(an_alert_of(incident=incident, findings=(finding,)))
    assert not any(words in text for words in ("\x1b", "<script", "@channel", "https://", "[y]"))
    assert len(text.splitlines()) == 11


def test_a_bundle_names_its_incidents_and_what_became_of_them() -> None:
    records = [a_record(), a_record(status="closed", id="f" * 32)]
    text = MESSAGES.of_bundle(records)
    assert text.startswith("2 incidents that the page budget held back")
    assert "(ffffffffffff, closed)" in text


def test_a_digest_of_a_digest_keeps_what_that_listed() -> None:
    listed = "2 incidents\n- one\n- two\nAll of them: tocsin incident list"
    text = digest_text([an_alert("a"), msgspec.structs.replace(an_alert("b", "bundle"), text=listed)], {})
    assert "  - one\n  - two" in text


def test_a_digest_tells_each_incident_once_and_first_what_nobody_has_seen_to() -> None:
    first, worse = an_alert_of(id="i.1", time=NOON), an_alert_of(id="i.2", time=NOON + 60, change="escalated")
    grave = a_record(id="f" * 32, severity="critical").incident()
    over = an_alert_of(id="f.1", incident=grave, time=NOON + 30)
    lines = digest_text([first, worse, over], {grave.dedup_key: "resolved"}).splitlines()
    assert lines[0] == (
        "3 pages about 2 incidents since 2024-10-04T12:00:00Z could not be delivered until now; "
        "1 of them still waits for somebody"
    )
    assert lines[1].endswith("(at 2024-10-04T12:01:00Z)")
    assert lines[2].endswith("(at 2024-10-04T12:00:30Z, resolved meanwhile)")
    assert lines[3:] == ["All of them: tocsin incident list"]


def test_who_has_taken_an_incident_is_named() -> None:
    taken = msgspec.structs.replace(a_record().incident(), acknowledged_by="ann [x](y)")
    alert = an_alert_of(change="acknowledged", reason="acknowledged", incident=taken)
    assert "Why now: ann ⟦x⟧(y) has taken it." in MESSAGES.of_change(alert).splitlines()
