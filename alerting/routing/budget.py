"""The page budget: how often one receiver is woken before the rest waits for a bundle."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from alerting.incidents.family import CROSS_TENANT_SUCCESS
from stream.finding import Class

Verdict = Literal["page", "bundle", "storm"]


class Page(NamedTuple):
    """A page that a receiver got: when on the log's clock, for which classes, about which tenant."""

    at: float
    classes: tuple[Class, ...]
    tenant: str | None


@dataclass(frozen=True, slots=True)
class Budget:
    """How often a receiver is woken; lengths of time in seconds.

    `pages` in `window` is the budget. What it holds back is told as one bundle `bundle_after` seconds later, a minute
    short of half an hour so that a clock's step cannot make it late. `storm_pages` within `storm_window` are a storm,
    whatever they are about: all further ones become one page, `storm_after` seconds later.
    """

    pages: int = 2
    window: float = 12 * 3600.0
    bundle_after: float = 29 * 60.0
    storm_pages: int = 5
    storm_window: float = 300.0
    storm_after: float = 60.0


def may_page(
    pages: Iterable[Page], classes: Collection[Class], tenant: str | None, budget: Budget, clock: float
) -> Verdict:
    """Whether a page goes out now or waits for the bundle.

    Data that reached another tenant and the first page of a (class, tenant) within the window never wait, unless so
    many of them come at once that nobody could read them.
    """
    recent = [page for page in pages if page.at > clock - budget.window]
    if sum(page.at > clock - budget.storm_window for page in recent) >= max(budget.storm_pages, budget.pages):
        return "storm"
    if not CROSS_TENANT_SUCCESS.isdisjoint(classes) or len(recent) < budget.pages:
        return "page"
    seen = {class_ for page in recent if page.tenant == tenant for class_ in page.classes}
    return "bundle" if seen.issuperset(classes) else "page"
