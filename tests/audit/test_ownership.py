import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_audit.ownership import MOST_OWNERS, Ownership


def asked(rule: dict[str, str], target: str | None = None, arguments: object = None, **headers: str) -> set[str]:
    return Ownership([rule]).asked(target, arguments, {name.replace("_", "-"): text for name, text in headers.items()})


@pytest.mark.parametrize(
    ("template", "uri", "owners"),
    [
        ("crm://{tenant}/**", "crm://acme/customers/1", {"acme"}),
        ("crm://{tenant}/**", "crm://acme", set()),
        ("crm://*/{tenant}/x", "crm://eu/acme/x", {"acme"}),
        ("crm://*/{tenant}/x", "crm://eu/west/acme/x", set()),
        ("crm://{tenant}/**", "other://acme/customers/1", set()),
    ],
)
def test_a_uri_template_reads_the_owner(template: str, uri: str, owners: set[str]) -> None:
    assert asked({"uri": template}, uri) == owners


def test_an_argument_names_the_owner_whole_or_by_its_match() -> None:
    assert asked({"argument": "tenant"}, arguments={"tenant": "acme"}) == {"acme"}
    assert asked({"argument": "filter.ids[*]"}, arguments={"filter": {"ids": [1, 2]}}) == {"1", "2"}
    assert asked({"argument": "ids"}, arguments={"ids": ["a", "b"]}) == {"a", "b"}
    rule = {"argument": "customer_id", "match": "^(?P<tenant>[a-z]+)-"}
    assert asked(rule, arguments={"customer_id": "globex-77"}) == {"globex"}
    assert asked(rule, arguments={"customer_id": "77"}) == set()


def test_a_header_names_the_owner_even_when_wrapped() -> None:
    rule = {"header": "Mcp-Param-TenantId"}
    assert asked(rule, mcp_param_tenantid="acme") == {"acme"}
    assert asked(rule, mcp_param_tenantid="=?base64?Z2zDvGNr?=") == {"glück"}


def test_one_foreign_row_among_thousands_is_found() -> None:
    rows = [{"tenant_id": "acme"}] * 5000
    rows[4321] = {"tenant_id": "globex"}
    assert Ownership([{"result": "rows[*].tenant_id"}]).returned({"rows": rows}) == {"acme", "globex"}


def test_the_owners_of_one_result_are_bounded() -> None:
    rows = [{"t": f"tenant-{i}"} for i in range(5000)]
    assert len(Ownership([{"result": "[*].t"}]).returned(rows)) == MOST_OWNERS


def test_owners_that_are_no_names_are_passed_over() -> None:
    rows = [{"t": value} for value in ({"x": 1}, ["a"], None, True, "", "acme", 7)]
    assert Ownership([{"result": "[*].t"}]).returned(rows) == {"acme", "7"}


def test_a_rule_of_another_server_says_nothing() -> None:
    rules = [{"server": "billing", "argument": "t"}, {"server": "crm", "argument": "u"}]
    assert Ownership(rules, "crm").asked(None, {"t": "a", "u": "b"}, {}) == {"b"}


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"uri": "crm://x"},
        {"uri": "{tenant}", "argument": "x"},
        {"argument": "x", "match": "(a+)+(?P<tenant>b)"},
        {"argument": "x", "match": "(?P<tenant>(a|a)*)b"},
        {"argument": "x", "match": "(?P<tenant>a)(?P=tenant)"},
        {"argument": "x", "match": "no group"},
        {"argument": "x", "match": "(?P<tenant>["},
        {"argument": "x", "match": "(?P<tenant>" + "a?" * 20 + ")" + "a" * 20},
        {"argument": "x", "match": "(?P<tenant>a)" * 40},
        {"result": "rows["},
        {"colour": "red"},
        "not a rule",
        None,
    ],
)
def test_a_bad_rule_is_named_and_the_others_stand(rule: object) -> None:
    rules = Ownership([rule, {"argument": "tenant"}])
    assert len(rules.faults) == 1
    assert rules.asked(None, {"tenant": "acme"}, {}) == {"acme"}


@given(
    st.lists(
        st.sampled_from(["a", "b", "[ab]", ".", "+", "*", "?", "|", "(?:", "(", ")", "{2,}", r"\w", "(?P<tenant>"])
    )
)
def test_a_match_that_is_taken_is_quick_on_the_worst_input(parts: list[str]) -> None:
    rules = Ownership([{"argument": "x", "match": "".join(parts)}])
    before = time.process_time()
    rules.asked(None, {"x": "a" * 10_000 + "!"}, {})
    assert time.process_time() - before < 2.0
