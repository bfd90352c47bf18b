import pytest

from alerting.words import counted, length, name


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (45, "45 s"), (900, "15 min"), (14_400, "4 h"), (16_200, "4.5 h"), (259_200, "3 days")],
)
def test_a_length_is_told_in_the_unit_that_says_most(seconds: float, words: str) -> None:
    assert length(seconds) == words


def test_one_of_a_kind_has_no_plural() -> None:
    assert (counted(1, "event"), counted(0, "event"), counted(1_200, "event")) == (
        "1 event",
        "0 events",
        "1,200 events",
    )


@pytest.mark.parametrize(
    ("value", "short"),
    [
        ("https://idp.example|ann@acme.example", "ann@acme.example"),
        ("ann", "ann"),
        ("https://idp.example|", "hxxps(:)//idp.example|"),
        ("a|b", "a|b"),
        ("https://idp.example|=cmd()", "'=cmd()"),
    ],
)
def test_a_name_is_short_and_harmless(value: str, short: str) -> None:
    assert name(value) == short
