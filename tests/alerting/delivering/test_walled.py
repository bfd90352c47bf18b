"""A sink for the readers of some tenants: its alerts hold nothing of others, and nothing that is theirs is lost."""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.alert import ENCODER, Alert, Change
from alerting.delivering.walled import NOT_THEIRS, walled, walled_alert
from alerting.incidents.family import FAMILIES
from alerting.incidents.record import Record
from alerting.runbook import Runbooks
from alerting.sink import DONE, Renewing, Result
from alerting.wording.message import Messages
from alerting.wording.texts import alert_of, bundle_of
from stream.finding import Class, Finding
from tests.alerting.deciding.test_decide import a_record
from tests.alerting.world import NOON, RecordingSink, a_finding

TEXTS = Messages(Runbooks())
ACME = frozenset({"acme"})
MARK = "zzmarker"
CLASSES: tuple[Class, ...] = ("cross_tenant_read", "cross_tenant_denied", "brute", "spray", "volume_burst", "mixup")


def about(class_: Class, tenant: str | None, entity: dict[str, str]) -> Finding:
    """A finding whose words name everybody who is in it."""
    names = ", ".join(entity.values())
    words: dict[str, Any] = {
        "title": f"{class_} of {names}",
        "observed": f"41 by {names}",
        "expected": names,
        "why": names,
    }
    return a_finding(class_, "high", tenant=tenant, entity=entity, facts={"servers": (f"{MARK}-erp",)}, **words)


def alert(finding: Finding, change: Change = "opened") -> Alert:
    return alert_of(TEXTS, a_record(finding), change, "new", NOON, page=True, findings=(finding,), note="")


def of_others(class_: Class) -> list[Finding]:
    """Findings of another tenant, those about acme's data among them, and acme's about the other's."""
    return [
        about(class_, f"{MARK}-corp", {"user": f"{MARK}-spy", "resource_tenants": "acme"}),
        about(class_, f"{MARK}-corp", {"user": f"{MARK}-spy"}),
        about(class_, None, {"source_ip": "203.0.113.77", "tenant": f"{MARK}-corp"}),
        about(class_, "acme", {"user": "rhea", "resource_tenants": f"{MARK}-corp"}),
    ]


@pytest.mark.parametrize("class_", CLASSES)
@pytest.mark.parametrize("change", ["opened", "joined", "escalated", "acknowledged", "closed", "late"])
def test_no_alert_holds_a_name_of_another_tenant(class_: Class, change: Change) -> None:
    for finding in of_others(class_):
        shown = walled_alert(alert(finding, change), ACME, TEXTS)
        assert shown is None or MARK not in ENCODER.encode(shown).decode()


@given(st.sampled_from(CLASSES), st.integers(0, 3), st.integers(0, 3))
def test_nor_do_several_that_are_told_together(class_: Class, first: int, second: int) -> None:
    records: list[Record] = [a_record(of_others(class_)[at]) for at in (first, second)]
    shown = walled_alert(bundle_of(TEXTS, "b", records, "over_budget", NOON, page=True), ACME, TEXTS)
    assert shown is not None
    assert MARK not in ENCODER.encode(shown).decode()
    assert shown.page, "one of them may be theirs"


def test_what_is_wholly_their_own_is_told_as_it_is() -> None:
    own = alert(a_finding("brute", tenant="acme", entity={"user": "alice"}))
    assert walled_alert(own, ACME, TEXTS) == own


def test_of_an_incident_between_tenants_each_sees_its_own_side() -> None:
    between = about("cross_tenant_read", f"{MARK}-corp", {"user": f"{MARK}-spy", "resource_tenants": "acme"})
    owner = walled_alert(alert(between), ACME, TEXTS)
    assert owner is not None
    assert owner.incident.entity == {"resource_tenants": "acme"}
    assert "another tenant reached your data" in owner.text
    caller = walled_alert(alert(between), frozenset({f"{MARK}-corp"}), TEXTS)
    assert caller is not None
    assert caller.incident.entity == {"user": f"{MARK}-spy", "resource_tenants": "another tenant"}
    assert walled_alert(alert(between), frozenset({"initech"}), TEXTS) is None
    assert FAMILIES["cross_tenant_read"] == "tenant"


class Again(RecordingSink):
    renew_seconds: ClassVar[float] = 60.0

    def __init__(self) -> None:
        super().__init__()
        self.renewed: list[Alert] = []

    def renew(self, alerts: Sequence[Alert]) -> Result:
        self.renewed += alerts
        return DONE


def test_every_alert_is_answered_for_in_its_place_and_others_never_arrive() -> None:
    sink = Again()
    own, other = (alert(a_finding("brute", tenant=name, entity={"user": name})) for name in ("acme", "globex"))
    made = walled(sink, ACME, TEXTS)
    assert made.deliver([other, own, other], frozenset()) == [NOT_THEIRS, DONE, NOT_THEIRS]
    assert isinstance(made, Renewing)
    assert made.renew([other, own]) == DONE
    assert sink.renewed == [own]
    assert not isinstance(walled(RecordingSink(), ACME, TEXTS), Renewing)
    made.close()


def test_the_note_of_somebody_elses_operator_stays_with_them() -> None:
    between = about("cross_tenant_read", f"{MARK}-corp", {"user": f"{MARK}-spy", "resource_tenants": "acme"})
    noted = msgspec.structs.replace(alert(between), note=f"{MARK} said so")
    shown = walled_alert(noted, ACME, TEXTS)
    assert shown is not None
    assert MARK not in ENCODER.encode(shown).decode()
