"""A storm of findings within a minute: all are kept, nobody is woken by each, and nobody waits until it is over."""

from itertools import pairwise

import pytest
from sqlalchemy import Table, func, select

from alerting.alert import DECODER, Alert
from alerting.database.schema import DECISIONS, FINDINGS, HELD, INCIDENTS, OUTBOX, PAGES
from alerting.database.store import MEMORY, Store
from alerting.deciding.policy import Policies
from alerting.routing.route import Receiver, Routes
from alerting.task import MANY, AlertTask
from stream.finding import Finding
from stream.memory import MemoryLog
from tests.alerting.world import NOON, a_finding, findings_frame, put, tick

FRAME = 500
ROUTES = Routes((Receiver("on-call", ("siem",), ("pd",)),))
STORMS = [3_000, pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]


def of_many(number: int, count: int) -> Finding:
    """Each of another account, of one of fifty tenants, so that no budget but the storm's guard holds it back."""
    at = NOON + 60 * number / count
    return a_finding(entity={"user": f"user-{number}"}, tenant=f"tenant-{number % 50}", at=at)


def of_one(number: int, count: int) -> Finding:
    """All of the same account, each a finding of its own."""
    return a_finding(at=NOON + 60 * number / count, id=f"finding-{number}")


def through(found: list[Finding], store: Store) -> list[int]:
    """Have alerting decide a storm and the two minutes after it; how many findings each transaction decided."""
    log = MemoryLog()
    for start in range(0, len(found), FRAME):
        part = found[start : start + FRAME]
        put(log, findings_frame(part, part[-1].time, start))
    put(log, tick(NOON + 130, len(found)))
    decided = [0]

    def committed() -> None:
        with store.reading() as connection:
            decided.append(connection.execute(select(func.count()).select_from(DECISIONS)).scalar_one())

    task = AlertTask(log, store, Policies(), routes=ROUTES, wake=committed)
    while task.advance(wait=0):
        pass
    return [after - before for before, after in pairwise(decided)]


def pages(store: Store) -> list[Alert]:
    with store.reading() as connection:
        bodies = connection.execute(select(OUTBOX.c.body).where(OUTBOX.c.sink == "pd").order_by(OUTBOX.c.id)).scalars()
        return [alert for body in bodies if (alert := DECODER.decode(body)).page]


def rows(store: Store, table: Table) -> int:
    with store.reading() as connection:
        found: int = connection.execute(select(func.count()).select_from(table)).scalar_one()
        return found


@pytest.mark.parametrize("count", STORMS)
def test_a_storm_is_a_handful_of_pages_and_then_one_about_the_rest(count: int) -> None:
    store = Store(MEMORY)
    decided = through([of_many(number, count) for number in range(count)], store)
    assert (rows(store, FINDINGS), rows(store, INCIDENTS), rows(store, DECISIONS)) == (count, count, count)
    assert (rows(store, PAGES), rows(store, HELD)) == (6, 0)
    told = pages(store)
    assert [page.change for page in told] == ["opened"] * 5 + ["bundle"]
    assert told[-1].time - told[0].time <= 130
    assert sum(decided) == count
    assert max(decided) <= MANY, "nobody who writes waits longer than for a part of it"
    store.close()


@pytest.mark.parametrize("count", STORMS)
def test_a_storm_about_one_account_is_one_page(count: int) -> None:
    store = Store(MEMORY)
    through([of_one(number, count) for number in range(count)], store)
    assert (rows(store, FINDINGS), rows(store, INCIDENTS), rows(store, DECISIONS)) == (count, 1, count)
    assert [page.change for page in pages(store)] == ["opened"]
    store.close()


def test_what_one_account_floods_takes_no_page_from_the_next_that_the_attack_reaches() -> None:
    # Counted for each detector and entity: a guard for the detector alone would go silent just as an attack spreads.
    store = Store(MEMORY)
    flood = [of_one(number, 1_000) for number in range(1_000)]
    spread = [a_finding(entity={"user": f"next-{number}"}, tenant="acme", at=NOON + 60 + number) for number in range(4)]
    through([*flood, *spread], store)
    told = pages(store)
    assert [page.change for page in told] == ["opened", "opened"], "as many as the budget of two has"
    assert [page.incident.entity["user"] for page in told][1] == "next-0"
    assert (rows(store, INCIDENTS), rows(store, HELD)) == (5, 3), "the others wait for the bundle, none is lost"
    store.close()
