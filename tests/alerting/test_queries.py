import json

import pytest

from alerting.database.store import Store
from alerting.delivering.refused import refused
from alerting.queries import Filter, find, list_incidents, show, summary, why
from alerting.runbook import Runbooks
from alerting.task import act_frame
from stream.errors import RejectedError
from stream.sqlite import SqliteLog
from tests.alerting.test_task import a_task, act
from tests.alerting.world import NOON, a_finding, findings_frame, put

RUNBOOKS = Runbooks()


@pytest.fixture
def filled(log: SqliteLog, store: Store) -> Store:
    """Three incidents: acme's brute force, globex's notice, and one closed without a tenant."""
    task = a_task(log, store)
    leak = a_finding("cross_tenant_leak", "critical", entity={"server": "billing"}, tenant=None)
    put(log, findings_frame([leak], NOON, 0))
    put(log, findings_frame([a_finding("novelty", "notice", tenant="globex")], NOON + 1, 1))
    put(log, findings_frame([a_finding()], NOON + 2, 2))
    task.advance(wait=0)
    (closing,) = list_incidents(store, Filter(severity="critical"))
    put(log, act_frame(act(closing.id, "close", "true"), NOON + 3))
    task.advance(wait=0)
    return store


def classes(store: Store, wanted: Filter) -> list[str]:
    return [incident.classes[0] for incident in list_incidents(store, wanted)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), ["brute", "novelty"]),
        (Filter(state="all"), ["cross_tenant_leak", "brute", "novelty"]),
        (Filter(state="ended"), ["cross_tenant_leak"]),
        (Filter(state="closed"), ["cross_tenant_leak"]),
        (Filter(state="acknowledged"), []),
        (Filter(state="all", severity="high"), ["cross_tenant_leak", "brute"]),
        (Filter(family="auth"), ["brute"]),
        (Filter(state="all", entity="billing"), ["cross_tenant_leak"]),
        (Filter(since=NOON + 2), ["brute"]),
        (Filter(limit=1), ["brute"]),
        (Filter(state="all", tenants=frozenset({"globex"})), ["novelty"]),
    ],
)
def test_a_list_has_what_fits_the_newest_first(filled: Store, wanted: Filter, found: list[str]) -> None:
    assert classes(filled, wanted) == found


def test_an_empty_store_lists_nothing(store: Store) -> None:
    assert list_incidents(store, Filter(state="all")) == []
    assert refused(store) == []


def test_an_unknown_state_says_which_there_are(filled: Store) -> None:
    with pytest.raises(RejectedError, match="open, ended, all, open, acknowledged"):
        list_incidents(filled, Filter(state="snoozed"))


def test_the_beginning_of_an_id_names_an_incident(filled: Store) -> None:
    (incident,) = list_incidents(filled, Filter(family="auth"))
    assert find(filled, incident.id[:6]).id == incident.id
    assert find(filled, incident.id.upper()).id == incident.id


@pytest.mark.parametrize("id_", ["", "abc", "zzzz", "0000000000000000000000", "%%%%"])
def test_an_id_that_names_none_is_refused(filled: Store, id_: str) -> None:
    with pytest.raises(RejectedError):
        find(filled, id_)


def test_somebody_elses_incident_is_as_if_it_were_not_there(filled: Store) -> None:
    (incident,) = list_incidents(filled, Filter(family="auth"))
    for ask in (find, why):
        with pytest.raises(RejectedError, match="no incident begins"):
            ask(filled, incident.id, frozenset({"globex"}))


def test_an_incident_is_shown_whole(filled: Store) -> None:
    (leak,) = list_incidents(filled, Filter(state="closed"))
    whole = show(filled, leak.id, RUNBOOKS)
    assert json.dumps(whole)
    assert whole["incident"]["verdict"] == "true"
    assert whole["incident"]["opened"] == "2024-10-04T12:00:00.000000Z"
    assert [line["change"] for line in whole["timeline"]] == ["opened", "closed"]
    assert whole["timeline"][1]["by"] == "eve"
    assert whole["findings"][0]["class"] == "cross_tenant_leak"
    assert [(one["sink"], one["state"]) for one in whole["deliveries"]] == [
        ("siem", "pending"),
        ("pager", "pending"),
        ("siem", "pending"),
        ("pager", "pending"),
    ]
    assert whole["runbook"]["lines"][0] == "Runbook: A server hands tenants each other's data"
    assert set(whole["runbook"]["phases"]) == {"first_15_minutes", "next_hours", "long_term"}


def test_why_says_who_was_told_and_in_which_page(filled: Store) -> None:
    (incident,) = list_incidents(filled, Filter(family="auth"))
    answer = why(filled, incident.id)
    assert (answer["told"], answer["pages"], answer["held"]) == ("high", [f"{incident.id}.1"], [])
    (decision,) = answer["decisions"]
    assert (decision["reason"], decision["page"], decision["page_id"]) == ("new", True, f"{incident.id}.1")


def test_a_summary_has_every_field(filled: Store) -> None:
    record = json.loads(json.dumps(summary(list_incidents(filled, Filter())[0])))
    assert (record["verdict"], record["status"], record["classes"]) == (None, "open", ["brute"])
