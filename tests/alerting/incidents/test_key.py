from hypothesis import given
from hypothesis import strategies as st

from alerting.incidents.key import incident_key
from stream.finding import Finding
from tests.alerting.world import DAY, NOON, a_finding

TEXT = st.text(max_size=12)


def test_a_success_after_a_burst_belongs_to_the_bursts_incident() -> None:
    assert incident_key(a_finding("brute")) == incident_key(a_finding("success_after", "critical", at=NOON + 600))


def test_one_caller_reading_two_tenants_is_one_incident() -> None:
    globex = a_finding("cross_tenant_read", entity={"user": "a", "resource_tenants": "globex"})
    initech = a_finding("cross_tenant_read", entity={"user": "a", "resource_tenants": "initech"})
    assert incident_key(globex) == incident_key(initech)


def test_tenants_entities_families_and_days_are_apart() -> None:
    base = a_finding()
    others = [
        a_finding(tenant="globex"),
        a_finding(tenant=None),
        a_finding(entity={"user": "bob"}),
        a_finding(entity={"client": "https://idp.example|alice"}),
        a_finding("volume_burst"),
        a_finding(at=NOON + DAY),
    ]
    assert len({incident_key(finding).id for finding in [base, *others]}) == 7


def test_two_rules_of_the_operator_are_two_incidents() -> None:
    one, other = a_finding("sigma", detector="sigma:a"), a_finding("sigma", detector="sigma:b")
    assert incident_key(one).id != incident_key(other).id


def test_the_day_before_is_what_yesterdays_finding_had() -> None:
    assert incident_key(a_finding(at=NOON + DAY)).before == incident_key(a_finding()).id
    assert incident_key(a_finding()).date == "2024-10-04"


def test_a_tenant_that_is_not_known_is_not_one_with_an_empty_name() -> None:
    assert incident_key(a_finding(tenant=None)).id != incident_key(a_finding(tenant="")).id


@given(st.dictionaries(TEXT, TEXT, max_size=3), TEXT, st.text(max_size=20), st.floats(0, 86_399))
def test_the_key_depends_on_nothing_that_order_may_change(
    entity: dict[str, str], tenant: str, text: str, later: float
) -> None:
    def made(**more: object) -> Finding:
        return a_finding(entity=entity, tenant=tenant, **more)  # type: ignore[arg-type]  # values of many fields

    day = NOON - NOON % DAY
    base = made(start=day, id="f")
    moved = made(start=day + later, id="f", observed=text, title=text, event_ids=(text,), count=7, time=day + later)
    assert incident_key(base) == incident_key(moved)
