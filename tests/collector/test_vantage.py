"""A call counts once, however many vantage points saw it, and nobody can hide one behind another."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from collector.vantage import Point, Rule, Vantage
from tocsin_audit.event import AuditEvent

MIDDLEWARE, SPANS = Point("native", "k1"), Point("otlp", "k2")


def call(time: float, **fields: object) -> AuditEvent:
    said = {"time": time, "server": "crm", "method": "tools/call", "target": "get", "outcome": "ok", **fields}
    return msgspec.convert(said, AuditEvent)


def told(vantage: Vantage, *calls: tuple[Point, AuditEvent]) -> list[str | None]:
    for point, event in calls:
        vantage.concerns([event], point)
    return [vantage.echo(event, point) for point, event in calls]


def test_the_same_trace_in_two_formats_counts_once() -> None:
    found = told(Vantage(), (MIDDLEWARE, call(10, trace="t1")), (SPANS, call(60, trace="t1")))
    assert found == [None, "native"]


def test_without_a_trace_the_window_decides() -> None:
    vantage = Vantage()
    assert told(vantage, (MIDDLEWARE, call(10)), (SPANS, call(11.5)), (SPANS, call(14))) == [None, "native", None]


def test_one_format_alone_never_loses_a_call() -> None:
    calls = [(MIDDLEWARE, call(10, trace="same", user="mallory")) for _ in range(50)]
    assert told(Vantage(), *calls) == [None] * 50


def test_who_repeats_a_trace_hides_no_more_than_was_counted() -> None:
    vantage = Vantage()
    seen = [(MIDDLEWARE, call(10, trace="x"))] * 3 + [(SPANS, call(11, trace="x"))] * 5
    assert told(vantage, *seen).count(None) == 5, "as many as the one that saw most"


def test_other_people_addresses_and_fates_are_other_calls() -> None:
    vantage = Vantage()
    first = (MIDDLEWARE, call(10, user="ann", outcome="ok"))
    others = [call(10.5, user="bob"), call(10.5, user="ann", outcome="auth_invalid"), call(10.5, target="put")]
    assert told(vantage, first, *[(SPANS, other) for other in others]) == [None] * 4
    assert told(vantage, (SPANS, call(10.6))) == ["native"], "one that does not know who called may be ann's"


def test_sampled_sources_never_stand_for_a_call() -> None:
    assert told(Vantage(), (SPANS, call(10, sample_rate=0.1)), (MIDDLEWARE, call(10))) == [None, None]


def test_a_rule_names_who_counts_calls_and_who_counts_refused_logins() -> None:
    vantage = Vantage({"crm": Rule("native", "input:gateway")})
    gateway = Point("toolhive", "input:gateway")
    assert told(vantage, (MIDDLEWARE, call(1)), (gateway, call(1))) == [None, "native"]
    refused = call(2, outcome="auth_invalid")
    assert told(vantage, (MIDDLEWARE, refused), (gateway, refused)) == ["input:gateway", None]
    assert told(vantage, (gateway, call(3, server="other"))) == [None]


def test_a_producer_can_be_the_one_that_counts() -> None:
    vantage = Vantage({"*": Rule("crm@proxy-*", "crm@proxy-*")})
    assert told(vantage, (MIDDLEWARE, call(1, producer="crm@proxy-2")), (MIDDLEWARE, call(1, producer="crm@app"))) == [
        None,
        "crm@proxy-*",
    ]


def test_signs_of_life_and_changes_are_nobodys_echo() -> None:
    vantage = Vantage({"crm": Rule("otlp", "otlp")})
    assert (
        told(vantage, *[(MIDDLEWARE, call(1, kind=kind)) for kind in ("heartbeat", "config", "permission")])
        == [None] * 3
    )


@given(st.lists(st.tuples(st.sampled_from([MIDDLEWARE, SPANS]), st.integers(0, 3)), max_size=40))
def test_of_each_call_the_most_that_any_one_saw_count(seen: list[tuple[Point, int]]) -> None:
    vantage = Vantage()
    calls = [(point, call(10, trace=f"t{number}")) for point, number in seen]
    found = told(vantage, *calls)
    for number in range(4):
        by = [point for point, which in seen if which == number]
        most = max((by.count(point) for point in (MIDDLEWARE, SPANS)), default=0)
        counted = sum(one is None for (_, which), one in zip(seen, found, strict=True) if which == number)
        assert counted == most
