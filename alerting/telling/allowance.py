"""What receivers' page budgets have left in the store, and what they hold back."""

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from alerting.database.dialect import insert_on
from alerting.database.schema import BUNDLES, HELD, PAGES, RECEIVERS
from alerting.routing.budget import Page

DRILL: Final = "drill"
"""The class whose pages cost nothing, so that whoever rehearses has nothing real held back."""
REMINDER: Final = ""
"""What stands for the classes of a page that only repeats what was told, and costs nothing either."""


class Bundle(NamedTuple):
    """What a receiver will get next of what is held back: since when it waits, and when it is due.

    `group` is empty for what the page budget holds back, else a group of a route. A group that was told stays `pause`
    seconds; its `id` is empty until something waits in it again.
    """

    receiver: str
    group: str
    id: str
    since: float
    due: float
    pause: float = 0.0


class Held(NamedTuple):
    """An incident that waits for a bundle; `told` says that a page of its own went out meanwhile."""

    incident: str
    told: bool


class Allowance:
    """Pages spent and incidents held back; all of it inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._bundles: dict[tuple[str, str], Bundle] | None = None
        self._pages: dict[str, list[Page]] = {}
        self._holding: dict[tuple[str, str], dict[str, Any]] = {}

    def pages(self, receiver: str, since: float) -> list[Page]:
        """What a receiver's pages cost after a moment; locks the receiver's budget until the end."""
        if receiver not in self._pages:
            self._connection.execute(
                insert_on(self._connection, RECEIVERS).on_conflict_do_nothing(), {"name": receiver}
            )
            self._connection.execute(select(RECEIVERS.c.name).where(RECEIVERS.c.name == receiver).with_for_update())
            self._connection.execute(delete(PAGES).where(PAGES.c.receiver == receiver, PAGES.c.at <= since))
            rows = self._connection.execute(
                select(PAGES.c.at, PAGES.c.classes, PAGES.c.tenant).where(
                    PAGES.c.receiver == receiver, PAGES.c.classes.not_in((DRILL, REMINDER))
                )
            )
            self._pages[receiver] = [Page(at, tuple(classes.split(",")), tenant) for at, classes, tenant in rows]
        return self._pages[receiver]

    def add_page(self, receiver: str, page: Page, alert: str) -> None:
        """Spend one page of a receiver's budget."""
        spent, classes = self.pages(receiver, float("-inf")), ",".join(page.classes)
        if classes not in (DRILL, REMINDER):
            spent.append(page)
        values = {"receiver": receiver, "at": page.at, "classes": classes, "tenant": page.tenant, "alert": alert}
        self._connection.execute(insert(PAGES), values)

    def bundles(self) -> dict[tuple[str, str], Bundle]:
        """What waits for each receiver and group."""
        if self._bundles is None:
            found = [Bundle(*row) for row in self._connection.execute(select(BUNDLES))]
            self._bundles = {(one.receiver, one.group): one for one in found}
        return self._bundles

    def hold(self, bundle: Bundle, incident: str, at: float) -> Bundle:
        """Hold an incident back for the bundle that waits already, perhaps due earlier now, or for this new one."""
        waiting = self.bundles().get((bundle.receiver, bundle.group))
        if waiting is not None and waiting.id:
            bundle = waiting._replace(due=min(bundle.due, waiting.due))
        if bundle != waiting:
            self._keep(bundle)
        values = {"bundle": bundle.id, "incident": incident, "since": at, "told": False}
        self._holding.setdefault((bundle.id, incident), values)
        return bundle

    def flush(self) -> None:
        """Write what was held back since the last time, which in a storm is thousands."""
        if self._holding:
            again = insert_on(self._connection, HELD).on_conflict_do_update(
                index_elements=("bundle", "incident"), set_={"told": False}
            )
            self._connection.execute(again, list(self._holding.values()))
            self._holding.clear()

    def told(self, bundle: Bundle, incident: str) -> None:
        """Say that an incident, if it waits for the bundle, was told in a page of its own."""
        self.flush()
        waits = (HELD.c.bundle == bundle.id, HELD.c.incident == incident)
        self._connection.execute(update(HELD).where(*waits).values(told=True))

    def held(self, bundle: Bundle) -> list[Held]:
        """What waits for a bundle, the oldest first."""
        self.flush()
        members = select(HELD.c.incident, HELD.c.told).where(HELD.c.bundle == bundle.id)
        rows = self._connection.execute(members.order_by(HELD.c.since, HELD.c.incident))
        return [Held(*row) for row in rows]

    def put_off(self, bundle: Bundle, due: float) -> None:
        """Let a bundle wait longer."""
        self._keep(bundle._replace(due=due))

    def release(self, bundle: Bundle, clock: float) -> None:
        """End a bundle; a group stays for its pause."""
        self.flush()
        self._connection.execute(delete(HELD).where(HELD.c.bundle == bundle.id))
        if bundle.pause and bundle.id:
            self._keep(bundle._replace(id="", due=clock + bundle.pause))
            return
        same = (BUNDLES.c.receiver == bundle.receiver, BUNDLES.c.group == bundle.group)
        self._connection.execute(delete(BUNDLES).where(*same))
        del self.bundles()[(bundle.receiver, bundle.group)]

    def _keep(self, bundle: Bundle) -> None:
        statement = insert_on(self._connection, BUNDLES)
        changed = {name: statement.excluded[name] for name in ("id", "since", "due", "pause")}
        again = statement.on_conflict_do_update(index_elements=("receiver", "group"), set_=changed)
        self._connection.execute(again, bundle._asdict())
        self.bundles()[(bundle.receiver, bundle.group)] = bundle
