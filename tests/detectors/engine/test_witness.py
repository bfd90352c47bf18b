"""A witness folds as the engine does, and asking it changes nothing."""

import random
from typing import Any

import pytest

from detectors.base import Measure
from detectors.discovery import detector_names, load_detector
from detectors.engine.engine import Engine
from detectors.engine.marks import marks_of
from detectors.engine.state import Codec
from detectors.engine.witness import Account, View, Witness
from detectors.keys import entity_of
from stream.decode import decode
from stream.directory import from_builtins
from stream.facts import Facts
from stream.finding import Finding
from stream.frame import Record
from tests.detectors.streams import HOUR, clone, directory, event, failure, finish, frames, read, told
from tests.detectors.traffic import DIRECTORY, mixed, raw_keys
from tocsin_audit.event import AuditEvent


def witness() -> Witness:
    return Witness([load_detector(name)() for name in detector_names()])


def asked(events: list[AuditEvent], index: int) -> Account:
    """The account of one event of several in one frame's time."""
    one = witness()
    one.fold(directory(0, DIRECTORY))
    records = frames(events)
    for record in records:
        size = len(decode(record.frame))
        if index < size:
            return one.account(record, index)
        one.fold(record)
        index -= size
    raise AssertionError("there is no such event")


def view(account: Account, detector: str, kind: str) -> View:
    (found,) = [one for one in account.views if (one.detector, one.kind) == (detector, kind)]
    return found


def measured(account: Account, detector: str, kind: str) -> dict[str, Measure]:
    return {one.what: one for one in view(account, detector, kind).measures}


def test_folding_with_a_stop_in_the_middle_finds_what_the_engine_finds() -> None:
    records = [directory(0, DIRECTORY), *frames(mixed(1))]
    whole = Engine([load_detector(name)() for name in detector_names()])
    expected = [found for record in records for found in whole.fold(record)] + finish(whole)
    one = witness()
    found: list[Finding] = []
    for number, record in enumerate(records):
        events = decode(record.frame)
        if number % 40 == 7 and events:
            at = number % len(events)
            account = one.account(record, at)
            found += account.findings
            one.again(events[at], record.frame.header.source)
            one.rest_of(record, at)
        else:
            found += one.fold(record)
    found += finish(one)
    # What a frame found before the event is not in the account: only what is there must be right, and the end.
    assert told(found) <= told(expected)
    assert told(one.fold(records[-1])) == told(whole.fold(records[-1]))


@pytest.mark.parametrize("name", detector_names())
def test_explaining_changes_no_state(name: str) -> None:
    detector, facts = load_detector(name)(), Facts(from_builtins(DIRECTORY))
    events = [one for record in frames(mixed(3)) for one in decode(record.frame)]
    states: dict[Any, Any] = {}
    for one in events:
        facts.clock = one.received
        for kind in detector.spec.by:
            wanted = detector.spec.wants.get(kind)
            if wanted is not None and not wanted & marks_of(one, facts):
                continue
            for raw in raw_keys(kind, one, facts):
                state = states.setdefault((kind, raw), detector.start(kind))
                detector.step(state, entity_of(kind, raw, facts), one, facts)
    chance = random.Random(1)
    explained = 0
    for (kind, raw), state in states.items():
        codec: Codec[Any] = Codec(type(state))
        before = codec.pack(state)
        for one in chance.sample(events, 20):
            measures = detector.explain(state, entity_of(kind, raw, facts), one, facts)
            explained += len(measures)
            assert all(measure.what for measure in measures)
            assert all(measure.bound is None or measure.bound >= 0 for measure in measures)
        assert codec.pack(state) == before
    assert explained


def test_guesses_at_an_account_stand_below_their_bar() -> None:
    account = asked([failure(i, user="victim", source_ip="198.51.100.1", token=f"t{i}") for i in range(7)], 6)
    guesses = measured(account, "failed_auth", "principal")["guesses at this account"]
    window = load_detector("failed_auth")().parameters["brute_window"]
    assert (guesses.observed, guesses.bound, guesses.window) == (7, 10, window)
    sources = measured(account, "failed_auth", "source")
    assert sources["accounts tried from this source"].observed == 1


def test_a_lapsed_credential_is_no_guess() -> None:
    account = asked([failure(i, user="agent", reason="token expired", source_ip="10.0.0.1") for i in range(5)], 4)
    measures = measured(account, "failed_auth", "principal")
    assert "its reason is expired" in measures["guesses that this failure counts as"].note
    assert measures["refusals of a lapsed credential"].observed == 5


def test_volumes_stand_against_the_bounds_of_their_hour() -> None:
    account = asked([event(i, user="u", client="c", rows=10, response_bytes=500) for i in range(20)], 19)
    measures = view(account, "data_volume", "principal").measures
    hour = {one.what: one for one in measures if one.window == HOUR}
    assert (hour["calls"].observed, hour["rows"].observed, hour["bytes"].observed) == (20, 200, 10_000)
    assert all(one.bound is not None and one.bound > one.observed for one in hour.values())
    assert "usually about" in hour["calls"].note


def test_owners_say_why_they_are_none_of_a_strangers() -> None:
    own = measured(asked([read(0, user="u", resource_tenants=("acme",))], 0), "cross_tenant", "principal")
    assert own["foreign owner: acme"].note == "the caller's own tenant"
    account = asked([read(0, user="u", target="crm://globex/1", resource_tenants=("globex",))], 0)
    assert measured(account, "cross_tenant", "principal")["foreign owner: globex"].observed == 1
    assert [one.class_ for one in account.findings if one.class_ == "cross_tenant_read"]


def test_who_was_not_asked_is_told_why() -> None:
    first = event(0, user="u", source_ip="10.0.0.1", token="k:1", id="a")
    account = asked([first, clone(first, id="b"), clone(first, id="a"), clone(first, id="c", sample_rate=0.5)], 1)
    assert "already" in view(account, "failed_auth", "token").why
    assert view(account, "data_volume", "principal").why == ""
    assert view(account, "failed_auth", "client").entity is None
    assert "looks at events with" in view(account, "cross_tenant", "principal").why


def test_a_duplicate_and_a_sampled_event_are_named() -> None:
    first = event(0, user="u", id="a")
    twice = [first, clone(first), clone(first, id="s", sample_rate=0.5)]
    assert asked(twice, 1).duplicate
    assert view(asked(twice, 1), "data_volume", "principal").why == "it was counted before"
    sampled = asked(twice, 2)
    assert sampled.sampled
    assert "sampled" in view(sampled, "data_volume", "principal").why


def test_the_record_that_is_asked_about_may_be_the_first() -> None:
    (record,) = frames([event(0, user="u")])
    assert isinstance(record, Record)
    assert witness().account(record, 0).tenant == "acme"
