"""What receivers' page budgets have left in the store, and what they hold back."""

from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from alerting.budget import Page
from alerting.dialect import insert_on
from alerting.schema import BUNDLES, HELD, PAGES, RECEIVERS

DRILL: Final = "drill"
"""The class whose pages cost nothing, so that whoever rehearses has nothing real held back."""


class Bundle(NamedTuple):
    """What a receiver will get next of what its budget holds back: since when it waits, and when it is due."""

    receiver: str
    id: str
    since: float
    due: float


class Held(NamedTuple):
    """An incident that waits for a bundle; `told` says that a page of its own went out meanwhile."""

    incident: str
    told: bool


class Allowance:
    """Pages spent and incidents held back; all of it inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._bundles: dict[str, Bundle] | None = None
        self._pages: dict[str, list[Page]] = {}

    def pages(self, receiver: str, since: float) -> list[Page]:
        """The pages that a receiver got after a moment, drills aside; locks the receiver's budget until the end."""
        if receiver not in self._pages:
            self._connection.execute(
                insert_on(self._connection, RECEIVERS).on_conflict_do_nothing(), {"name": receiver}
            )
            self._connection.execute(select(RECEIVERS.c.name).where(RECEIVERS.c.name == receiver).with_for_update())
            self._connection.execute(delete(PAGES).where(PAGES.c.receiver == receiver, PAGES.c.at <= since))
            rows = self._connection.execute(
                select(PAGES.c.at, PAGES.c.classes, PAGES.c.tenant).where(
                    PAGES.c.receiver == receiver, PAGES.c.classes != DRILL
                )
            )
            self._pages[receiver] = [Page(at, tuple(classes.split(",")), tenant) for at, classes, tenant in rows]
        return self._pages[receiver]

    def add_page(self, receiver: str, page: Page, alert: str) -> None:
        """Spend one page of a receiver's budget."""
        spent, classes = self.pages(receiver, float("-inf")), ",".join(page.classes)
        if classes != DRILL:
            spent.append(page)
        values = {"receiver": receiver, "at": page.at, "classes": classes, "tenant": page.tenant, "alert": alert}
        self._connection.execute(insert(PAGES), values)

    def bundles(self) -> dict[str, Bundle]:
        """The bundle that waits for each receiver."""
        if self._bundles is None:
            self._bundles = {row.receiver: Bundle(*row) for row in self._connection.execute(select(BUNDLES))}
        return self._bundles

    def hold(self, bundle: Bundle, incident: str, at: float) -> Bundle:
        """Hold an incident back for the bundle that waits already, perhaps due earlier now, or for this new one."""
        waiting = self.bundles().get(bundle.receiver)
        if waiting is None:
            self._connection.execute(insert(BUNDLES), bundle._asdict())
            self.bundles()[bundle.receiver] = bundle
        elif bundle.due < waiting.due:
            bundle = waiting._replace(due=bundle.due)
            self._connection.execute(
                update(BUNDLES).where(BUNDLES.c.receiver == bundle.receiver).values(due=bundle.due)
            )
            self.bundles()[bundle.receiver] = bundle
        else:
            bundle = waiting
        values = {"bundle": bundle.id, "incident": incident, "since": at, "told": False}
        again = insert_on(self._connection, HELD).on_conflict_do_update(
            index_elements=("bundle", "incident"), set_={"told": False}
        )
        self._connection.execute(again, values)
        return bundle

    def told(self, bundle: Bundle, incident: str) -> None:
        """Say that an incident, if it waits for the bundle, was told in a page of its own."""
        waits = (HELD.c.bundle == bundle.id, HELD.c.incident == incident)
        self._connection.execute(update(HELD).where(*waits).values(told=True))

    def release(self, bundle: Bundle) -> list[Held]:
        """End a bundle; what waited for it, the oldest first."""
        members = select(HELD.c.incident, HELD.c.told).where(HELD.c.bundle == bundle.id)
        rows = self._connection.execute(members.order_by(HELD.c.since, HELD.c.incident))
        found = [Held(*row) for row in rows]
        self._connection.execute(delete(HELD).where(HELD.c.bundle == bundle.id))
        self._connection.execute(delete(BUNDLES).where(BUNDLES.c.receiver == bundle.receiver))
        del self.bundles()[bundle.receiver]
        return found
