"""The page budget: how often one receiver is woken before the rest waits for a bundle."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from alerting.family import CROSS_TENANT_SUCCESS
from alerting.policy import Policies
from stream.finding import Class


class Page(NamedTuple):
    """A page that a receiver got: when on the log's clock, for which classes, about which tenant."""

    at: float
    classes: tuple[Class, ...]
    tenant: str | None


def may_page(
    pages: Iterable[Page], classes: Collection[Class], tenant: str | None, policies: Policies, clock: float
) -> bool:
    """Whether a page goes out now; otherwise it waits for the bundle.

    Data that reached another tenant and the first page of a (class, tenant) within the window never wait.
    """
    if not CROSS_TENANT_SUCCESS.isdisjoint(classes):
        return True
    recent = [page for page in pages if page.at > clock - policies.window]
    if len(recent) < policies.pages:
        return True
    seen = {class_ for page in recent if page.tenant == tenant for class_ in page.classes}
    return not seen.issuperset(classes)
