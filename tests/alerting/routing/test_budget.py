from alerting.deciding.policy import HOUR
from alerting.routing.budget import Budget, Page, may_page
from tests.alerting.world import NOON

BUDGET = Budget(pages=2, window=12 * HOUR)
SPENT = [Page(NOON - 3600, ("brute",), "acme"), Page(NOON - 1800, ("volume_burst",), "acme")]


def test_pages_go_out_while_the_budget_lasts() -> None:
    assert may_page(SPENT[:1], {"brute"}, "acme", BUDGET, NOON) == "page"


def test_what_is_beyond_the_budget_waits() -> None:
    assert may_page(SPENT, {"brute"}, "acme", BUDGET, NOON) == "bundle"


def test_the_first_page_of_a_class_and_tenant_never_waits() -> None:
    assert may_page(SPENT, {"spray"}, "acme", BUDGET, NOON) == "page"
    assert may_page(SPENT, {"brute"}, "globex", BUDGET, NOON) == "page"
    assert may_page(SPENT, {"brute", "success_after"}, "acme", BUDGET, NOON) == "page"


def test_data_that_reached_another_tenant_never_waits() -> None:
    spent = [*SPENT, Page(NOON - 10, ("cross_tenant_read",), "acme")]
    assert may_page(spent, {"cross_tenant_read"}, "acme", BUDGET, NOON) == "page"


def test_the_budget_comes_back_when_its_window_has_passed() -> None:
    assert may_page(SPENT, {"brute"}, "acme", BUDGET, NOON - 3600 + 12 * HOUR) == "page"


def test_without_a_budget_only_exceptions_page() -> None:
    none = Budget(pages=0)
    assert may_page([], {"brute"}, "acme", none, NOON) == "page"
    assert may_page([Page(NOON - 1, ("brute",), "acme")], {"brute"}, "acme", none, NOON) == "bundle"


def test_so_many_pages_at_once_are_a_storm_whatever_they_are_about() -> None:
    storm = [Page(NOON - 100 + n, ("brute",), f"tenant-{n}") for n in range(5)]
    assert may_page(storm[:4], {"brute"}, "new", BUDGET, NOON) == "page"
    assert may_page(storm, {"brute"}, "new", BUDGET, NOON) == "storm"
    assert may_page(storm, {"cross_tenant_read"}, "new", BUDGET, NOON) == "storm"
    assert may_page(storm, {"brute"}, "new", BUDGET, NOON + 300) == "page"


def test_a_generous_budget_is_no_storm() -> None:
    spent = [Page(NOON - 60, ("brute",), "acme") for _ in range(50)]
    assert may_page(spent, {"brute"}, "acme", Budget(pages=100), NOON) == "page"
