import pytest

from alerting.deciding.inhibit import SOURCES, TARGETS
from alerting.incidents.family import FAMILIES, Subject, family, subject
from stream.finding import CLASSES, Class
from tests.alerting.world import a_finding


def test_every_class_has_a_family() -> None:
    assert set(FAMILIES) == set(CLASSES)


def test_attacks_on_credentials_are_one_matter() -> None:
    classes: tuple[Class, ...] = ("brute", "spray", "stuffing", "success_after")
    assert {family(class_) for class_ in classes} == {"auth"}


@pytest.mark.parametrize(
    ("class_", "entity", "about"),
    [
        ("brute", {"user": "alice"}, Subject("user", "alice")),
        ("spray", {"source_ip": "192.0.2.1"}, Subject("source_ip", "192.0.2.1")),
        ("stuffing", {"tenant": "acme"}, Subject("tenant", "acme")),
        ("cross_tenant_read", {"client": "etl", "resource_tenants": "globex"}, Subject("client", "etl")),
        (
            "cross_tenant_read",
            {"user": "ann", "server": "crm", "resource_tenants": "globex"},
            Subject("server+resource_tenants", "3:crm6:globex"),
        ),
        ("cross_tenant_leak", {"server": "billing"}, Subject("server", "billing")),
        ("tool_drift", {"server": "search", "target": "fare"}, Subject("server", "search")),
        ("audit_gap", {"producer": "p1"}, Subject("producer", "p1")),
        ("novelty", {"target": "x"}, Subject("target", "x")),
        ("novelty", {"target": "x", "session": "s"}, Subject("session+target", "1:s1:x")),
    ],
)
def test_a_family_is_about_the_first_of_its_keys(class_: Class, entity: dict[str, str], about: Subject) -> None:
    assert subject(a_finding(class_, entity=entity)) == about


def test_an_empty_entity_groups_nobody() -> None:
    one, other = a_finding(entity={}), a_finding(entity={}, level=1)
    assert subject(one) != subject(other)


def test_what_inhibits_is_never_told_of_as_a_success() -> None:
    assert not TARGETS & {"success_after", "unauthenticated", "token_replay", "canary", "cross_tenant_handle"}
    assert {"cross_tenant_leak", "outage", "retry_storm", "spray"} == SOURCES
