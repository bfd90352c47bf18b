from hypothesis import given
from hypothesis import strategies as st

from alerting.harmless import harmless, harmless_block, unlinked
from tests.alerting.sinks.hostile import CORPUS, ESCAPES, FORMULA, LIVE

ANY = st.one_of(st.text(), st.sampled_from(CORPUS), st.from_regex(r"(?i)(https?://|www\.|<@?|javascript:|@)+\w*"))


@given(text=ANY, limit=st.integers(2, 600))
def test_nothing_is_left_that_a_screen_could_act_on(text: str, limit: int) -> None:
    line = harmless(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    assert not ESCAPES.search(line)
    assert not LIVE.search(line)
    assert not FORMULA.match(line)


@given(text=ANY)
def test_making_harmless_twice_changes_nothing_more(text: str) -> None:
    assert harmless(harmless(text, 500), 500) == harmless(text, 500)


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("billing.export", "crm-read_all", "203.0.113.9", "2001:db8::1", "40 principals, 3 % of 10:00"):
        assert harmless(name) == name


def test_a_block_keeps_its_lines_and_its_bound() -> None:
    assert harmless_block("one\n\ntwo\nthree", lines=3) == ["one", "", "two"]


def test_a_domain_is_no_link_and_numbers_stay() -> None:
    assert unlinked("evil.example/login at 203.0.113.9, 3.5 times") == "evil(.)example/login at 203.0.113.9, 3.5 times"


def test_what_a_spreadsheet_would_run_is_quoted_and_lists_stay() -> None:
    assert harmless("=1+1") == "'=1+1"
    assert harmless("- one of several") == "- one of several"
    assert harmless("-") == "-", "a lone dash stands for nothing"
