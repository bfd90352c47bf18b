import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_audit.verdict import judge, wait_before


@pytest.mark.parametrize(
    ("status", "headers", "lines", "act", "wait"),
    [
        (200, {}, 5, "done", None),
        (400, {}, 5, "done", None),
        (413, {}, 5, "split", None),
        (413, {}, 1, "done", None),
        (429, {"retry-after": "7"}, 5, "retry", 7.0),
        (503, {"retry-after": "rubbish"}, 5, "retry", None),
        (503, {"retry-after": "99999"}, 5, "retry", 300.0),
        (500, {}, 5, "retry", None),
        (401, {}, 5, "retry", 10.0),
        (404, {}, 5, "retry", 10.0),
        (302, {}, 5, "retry", 10.0),
    ],
)
def test_what_each_answer_asks_for(
    status: int, headers: dict[str, str], lines: int, act: str, wait: float | None
) -> None:
    verdict = judge(status, headers, b"", lines)
    assert (verdict.act, verdict.wait) == (act, wait)


def test_rejected_lines_are_told_with_their_hint() -> None:
    body = b'{"accepted":1,"rejected":[{"line":2,"field":"time","error":"no zone","hint":"add Z"}]}'
    verdict = judge(200, {}, body, 2)
    assert (verdict.accepted, verdict.rejected) == (1, 1)
    assert verdict.text is not None
    assert "line 2, time: no zone (hint: add Z)" in verdict.text


@given(
    st.integers(0, 600),
    st.dictionaries(st.just("retry-after"), st.text(max_size=5)),
    st.binary(max_size=40),
    st.integers(1, 500),
)
def test_every_answer_has_a_verdict(status: int, headers: dict[str, str], body: bytes, lines: int) -> None:
    assert judge(status, headers, body, lines).act in ("done", "retry", "split")


@given(st.integers(0, 1000), st.none() | st.floats(0, 300), st.floats(0, 1, exclude_max=True))
def test_waits_are_bounded_and_never_shorter_than_asked(attempt: int, asked: float | None, chance: float) -> None:
    wait = wait_before(attempt, asked, chance)
    assert (asked or 0.0) <= wait <= max(30.0, asked or 0.0)
    assert wait > 0
