"""Thousands of findings within a minute: all are kept, and nobody is woken by each of them."""

import pytest
from sqlalchemy import func, select

from alerting.alert import DECODER
from alerting.policy import Policies
from alerting.route import Receiver, Routes
from alerting.schema import FINDINGS, HELD, OUTBOX, PAGES
from alerting.store import MEMORY, Store
from alerting.task import AlertTask
from stream.finding import Finding
from stream.memory import MemoryLog
from tests.alerting.world import NOON, a_finding, findings_frame, put, tick

FRAME = 500
ROUTES = Routes((Receiver("on-call", ("siem",), ("pd",)),))


def finding(number: int, count: int) -> Finding:
    """Each of another account, of one of fifty tenants, so that no budget but the storm's guard holds it back."""
    at = NOON + 60 * number / count
    return a_finding(entity={"user": f"user-{number}"}, tenant=f"tenant-{number % 50}", at=at)


@pytest.mark.parametrize("count", [3_000, pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_a_storm_is_a_handful_of_pages_and_then_one_about_the_rest(count: int) -> None:
    log, store = MemoryLog(), Store(MEMORY)
    task = AlertTask(log, store, Policies(), routes=ROUTES)
    for start in range(0, count, FRAME):
        found = [finding(number, count) for number in range(start, start + FRAME)]
        put(log, findings_frame(found, found[-1].time, start))
    put(log, tick(NOON + 130, count))
    while task.advance(wait=0):
        pass
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(FINDINGS)).scalar_one() == count
        assert connection.execute(select(func.count()).select_from(PAGES)).scalar_one() == 6
        assert connection.execute(select(func.count()).select_from(HELD)).scalar_one() == 0
        bodies = connection.execute(select(OUTBOX.c.body).where(OUTBOX.c.sink == "pd").order_by(OUTBOX.c.id)).scalars()
        pages = [DECODER.decode(body) for body in bodies]
    assert [page.change for page in pages] == ["opened"] * 5 + ["bundle"]
    assert pages[-1].time - pages[0].time <= 130
    store.close()
