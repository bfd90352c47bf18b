from alerting.budget import Page, may_page
from alerting.policy import HOUR, Policies
from tests.alerting.world import NOON

POLICIES = Policies(pages=2, window=12 * HOUR)
SPENT = [Page(NOON - 60, ("brute",), "acme"), Page(NOON - 30, ("volume_burst",), "acme")]


def test_pages_go_out_while_the_budget_lasts() -> None:
    assert may_page(SPENT[:1], {"brute"}, "acme", POLICIES, NOON)


def test_what_is_beyond_the_budget_waits() -> None:
    assert not may_page(SPENT, {"brute"}, "acme", POLICIES, NOON)


def test_the_first_page_of_a_class_and_tenant_never_waits() -> None:
    assert may_page(SPENT, {"spray"}, "acme", POLICIES, NOON)
    assert may_page(SPENT, {"brute"}, "globex", POLICIES, NOON)
    assert may_page(SPENT, {"brute", "success_after"}, "acme", POLICIES, NOON)


def test_data_that_reached_another_tenant_never_waits() -> None:
    spent = [*SPENT, Page(NOON - 10, ("cross_tenant_read",), "acme")]
    assert may_page(spent, {"cross_tenant_read"}, "acme", POLICIES, NOON)


def test_the_budget_comes_back_when_its_window_has_passed() -> None:
    assert may_page(SPENT, {"brute"}, "acme", POLICIES, NOON - 60 + 12 * HOUR)


def test_without_a_budget_only_exceptions_page() -> None:
    none = Policies(pages=0)
    assert may_page([], {"brute"}, "acme", none, NOON)
    assert not may_page([Page(NOON - 1, ("brute",), "acme")], {"brute"}, "acme", none, NOON)
