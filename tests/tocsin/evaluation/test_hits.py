from typing import Any

import pytest

from tocsin.evaluation.corpus import case, tying
from tocsin.evaluation.hits import Hits

TRUTH: dict[str, Any] = {
    "id": "one",
    "class": "spray",
    "also": ["stuffing"],
    "entity": {"source_ip": "1.2.3.4", "tenant": "acme"},
    "start": "2026-08-03T10:00:00Z",
    "end": "2026-08-03T11:00:00Z",
    "event_ids": ["a", "b"],
}
FINDING: dict[str, Any] = {
    "id": "f",
    "class": "spray",
    "entity": {},
    "event_ids": [],
    "start": "2026-08-03T10:30:00Z",
    "end": "2026-08-03T10:40:00Z",
}
SAME = {"entity": {"source_ip": "1.2.3.4"}}


def hit(finding: dict[str, Any], truth: dict[str, Any] | None = None) -> bool:
    return bool(Hits([case(TRUTH | (truth or {}))]).hit(FINDING | finding))


@pytest.mark.parametrize(
    ("finding", "truth", "expected"),
    [
        ({"event_ids": ["b"]}, {}, True),
        ({"event_ids": ["b"], "class": "stuffing"}, {}, True),
        ({"event_ids": ["b"], "class": "brute"}, {}, False),
        ({"event_ids": ["c"]}, {}, False),
        (SAME, {}, True),
        ({"entity": {"source_ip": "4.3.2.1"}}, {}, False),
        ({"entity": {"user": "1.2.3.4"}}, {}, False),
        ({"entity": {"tenant": "acme"}}, {}, False),
        ({"entity": {"tenant": "acme"}}, {"entity": {"tenant": "acme"}}, True),
        ({"entity": {"server": "crm"}}, {"entity": {"tenant": "acme", "server": "crm"}}, True),
        ({"entity": {"server": "crm"}}, {"entity": {"session": "s", "server": "crm"}}, False),
        ({"entity": {"session": "s"}}, {"entity": {"session": "s"}}, False),
        (
            {"entity": {"source_ip": "1.2.3.4"}, "start": "2026-08-03T12:00:00Z", "end": "2026-08-03T12:01:00Z"},
            {},
            False,
        ),
        (
            {"entity": {"source_ip": "1.2.3.4"}, "start": "2026-08-03T11:00:00Z", "end": "2026-08-03T12:01:00Z"},
            {},
            True,
        ),
        ({"event_ids": ["a"], "start": "2026-08-09T00:00:00Z", "end": "2026-08-09T00:00:00Z"}, {}, True),
        (SAME | {"start": 1785753000.0, "end": 1785753060.0}, {}, True),
    ],
    ids=[
        "shared event",
        "shared event, class in also",
        "shared event, another class",
        "no shared event",
        "same entity while times overlap",
        "another value",
        "the value under another key",
        "a tenant counts only alone",
        "a tenant alone",
        "server beside tenant, nothing stronger",
        "server beside a session",
        "a session never",
        "same entity an hour later",
        "same entity, times touch",
        "shared event, whatever the times",
        "times as numbers",
    ],
)
def test_the_hit_rule(finding: dict[str, Any], truth: dict[str, Any], expected: bool) -> None:
    assert hit(finding, truth) is expected


def test_a_finding_may_hit_several_incidents() -> None:
    hits = Hits([case(TRUTH), case(TRUTH | {"id": "two", "event_ids": ["b", "c"]})])
    assert [it.id for it in hits.hit(FINDING | {"event_ids": ["b"]})] == ["one", "two"]


def test_what_a_finding_touches_is_independent_of_its_class() -> None:
    hits = Hits([case(TRUTH)])
    finding = FINDING | {"event_ids": ["a"], "class": "novelty"}
    assert [it.id for it in hits.touched(finding)] == ["one"]
    assert hits.hit(finding) == []


def test_weak_keys_tie_only_where_nothing_else_does() -> None:
    assert tying({"tenant": "a", "user": "u"}) == {("user", "u")}
    assert tying({"tenant": "a", "server": "s"}) == {("tenant", "a"), ("server", "s")}
    assert tying({"session": "x"}) == frozenset()
