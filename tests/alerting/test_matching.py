import fnmatch
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.incidents.key import incident_key
from alerting.incidents.record import opened_by, with_findings
from alerting.matching import Condition, all_hold, of_finding, of_record, parse, parse_all
from stream.errors import RejectedError
from tests.alerting.world import NOON, a_finding

FINDING = a_finding(entity={"user": "https://idp.example|alice", "server": "billing"})


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("class=brute", True),
        ("class=spray,brute", True),
        ("class=spray", False),
        ("class!=spray", True),
        ("class!=spray,brute", False),
        ("class=cross_tenant_*", False),
        ("severity>=medium", True),
        ("severity>=high", True),
        ("severity>=critical", False),
        ("user=https://idp.example|*", True),
        ("user=*|alice", True),
        ("user=*|bob", False),
        ("tenant=acme", True),
        ("tenant!=acme", False),
        ("client=etl", False),
        ("client!=etl", True),
        ("family=auth", True),
        ("detector=test", True),
    ],
)
def test_a_condition_asks_a_finding_and_its_incident_the_same(condition: str, holds: bool) -> None:
    parsed = parse(condition)
    record = with_findings(opened_by(incident_key(FINDING), FINDING, NOON), (FINDING,), NOON, live=True)
    assert parsed.holds(of_finding(FINDING)) is holds
    assert parsed.holds(of_record(record)) is holds


def test_all_conditions_must_hold() -> None:
    have = of_finding(FINDING)
    assert all_hold(parse_all(["class=brute", "tenant=acme"]), have)
    assert not all_hold(parse_all(["class=brute", "tenant=globex"]), have)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("brute", "no condition"),
        ("clas=brute", "did you mean 'class'"),
        ("class=brut", "did you mean 'brute'"),
        ("severity>=urgent", "no severity 'urgent'"),
        ("severity>=high,low", "cannot be compared"),
        ("tenant>=acme", "cannot be compared"),
        ("tenant=", "no condition"),
        ("tenant=acme,,globex", "a value is missing"),
        ("x" * 1000, "no condition"),
    ],
)
def test_a_wrong_condition_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(RejectedError) as caught:
        parse(text)
    assert says in str(caught.value)


VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="\\"), min_size=1)


@given(st.sampled_from(("tenant", "user", "server")), st.sampled_from(("=", "!=")), st.lists(VALUES, min_size=1))
def test_a_condition_reads_back_what_it_writes(key: str, operator: Any, values: list[str]) -> None:
    condition = Condition(key, operator, tuple(values))
    if len(str(condition)) <= 500 and not values[0].startswith("="):
        assert parse(str(condition)) == condition


@given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
def test_stars_match_as_they_do_elsewhere(pattern: str, value: str) -> None:
    expected = re.match(fnmatch.translate(pattern), value) is not None
    assert Condition("user", "=", (pattern,)).holds({"user": (value,)}) is expected
