"""Where the counters of `failed_auth` stand after an event: the largest window that holds it, against its bar."""

from collections.abc import Iterator, Mapping
from typing import Any

from detectors.authentication.bout import NOBODY, Bouts, Sum
from detectors.authentication.crowd import Crowd
from detectors.authentication.guessing import MINUTE, Bar, Guessing, raised
from detectors.authentication.lapse import WINDOW as LAPSE_WINDOW
from detectors.authentication.principal import Account
from detectors.authentication.reasons import LAPSED, attempt_of, failed, passed
from detectors.authentication.search import SLOW as SLOW_SEARCH_WINDOW
from detectors.authentication.search import WINDOW as SEARCH_WINDOW
from detectors.authentication.search import Search
from detectors.authentication.server import Service
from detectors.authentication.source import Source, account
from detectors.authentication.token import Token
from detectors.base import Measure
from detectors.parts.distinct import union
from detectors.parts.keyed import number
from detectors.parts.ring import Ring
from tocsin_audit.event import AuditEvent

HOUR = 3_600


def explain(state: Any, event: AuditEvent, parameters: Mapping[str, float]) -> list[Measure]:
    """The measures of one entity's state that an event bears on; the state stays as it is."""
    if isinstance(state, Token):
        return list(_token(state, event, parameters))
    if isinstance(state, Account):
        return [*_counted(event), *_account(state, event, parameters), *_searched(state.search, event, parameters)]
    if isinstance(state, Source):
        return [*_source(state, event, parameters), *_searched(state.search, event, parameters)]
    if isinstance(state, Crowd):
        return [*_crowd(state, event, parameters), *(_open(state, event) if isinstance(state, Service) else ())]
    return []


def _counted(event: AuditEvent) -> Iterator[Measure]:
    """Why a failure is no guess."""
    if failed(event):
        attempt = attempt_of(event)
        if not attempt.weight:
            yield Measure(
                "guesses that this failure counts as", 0, None, "guesses", 0, f"its reason is {attempt.reason}"
            )
        elif attempt.weight == "token":
            yield Measure("guesses", 1, None, "guesses", 0, "the same token again counts once")


def _account(state: Account, event: AuditEvent, parameters: Mapping[str, float]) -> Iterator[Measure]:
    bar = Bar(int(parameters["brute_guesses"]), 0, int(parameters["brute_window"]))
    found = _widest(state.minutes, state, event, bar, parameters["ceiling"], 0.0)
    if found is not None:
        total, bar = found
        note = f"{total.familiar} more from places that this account uses" if total.familiar else ""
        guesses = total.guesses + total.nobody + total.weak
        yield Measure("guesses at this account", guesses, bar.guesses, "guesses", bar.window, note)
    if failed(event) and attempt_of(event).reason in LAPSED and state.lapsed is not None:
        yield _retries(state.lapsed, event, parameters)
    if passed(event) and event.source_ip is not None:
        known = state.habit.knows(number(event.source_ip), event.time)
        yield Measure("this account's habit", int(known), None, "", 0, f"its source is {'' if known else 'not '}known")


def _source(state: Source, event: AuditEvent, parameters: Mapping[str, float]) -> Iterator[Measure]:
    ceiling = parameters["ceiling"]
    window = int(parameters["spray_window"])
    bar = Bar(int(parameters["spray_guesses"]), int(parameters["spray_accounts"]), window)
    found = _widest(state.minutes, state, event, bar, ceiling, parameters["crowd_share"])
    if found is not None:
        total, bar = found
        both = "both must be reached"
        if not state.warm(int(event.time) // MINUTE):
            both += "; of a tenant without a past it pages as five minutes close, if most did not get in"
        yield Measure("accounts tried from this source", total.keys, bar.keys, "accounts", window, both)
        yield Measure("guesses from this source", total.guesses + total.weak, bar.guesses, "guesses", window, both)
    if account(event) == NOBODY:
        found = _widest(state.nameless, state, event, Bar(int(parameters["nameless_guesses"]), 0, window), 1.0, 0.0)
        if found is not None:
            total, bar = found
            yield Measure("nameless tokens from this source", total.nobody + total.weak, bar.guesses, "tokens", window)


def _crowd(state: Guessing, event: AuditEvent, parameters: Mapping[str, float]) -> Iterator[Measure]:
    window = int(parameters["stuffing_window"])
    bar = Bar(int(parameters["stuffing_guesses"]), int(parameters["stuffing_sources"]), window)
    found = _widest(state.minutes, state, event, bar, parameters["ceiling"], 0.0)
    if found is not None:
        total, bar = found
        every = "all three must be reached"
        accounts = int(parameters["stuffing_accounts"])
        yield Measure("unknown sources that tried accounts here", total.keys, bar.keys, "sources", window, every)
        yield Measure("accounts they tried", total.inner, accounts, "accounts", window, every)
        yield Measure("guesses they made", total.guesses + total.weak, bar.guesses, "guesses", window, every)


def _open(state: Service, event: AuditEvent) -> Iterator[Measure]:
    if passed(event) and event.auth in (None, "none", "invalid"):
        demanded = state.guard.demands.at(event.time)
        known = "is known to demand" if demanded else "is not known to demand"
        yield Measure("answers without valid credentials", 1, 1, "answers", 0, f"this server {known} them")


def _token(state: Token, event: AuditEvent, parameters: Mapping[str, float]) -> Iterator[Measure]:
    minute = int(event.time) // MINUTE
    for seen, knob, done in (
        (state.accepted, "replay_accepted", "accepted"),
        (state.refused, "replay_refused", "refused"),
    ):
        most = 0
        if seen is None:
            continue
        for end in range(minute, minute + HOUR // MINUTE):
            most = max(most, len(seen.within(end - HOUR // MINUTE + 1, end)))
        if most:
            note = "places that it was used from before do not count" if done == "accepted" else ""
            yield Measure(f"sources from which this token was {done}", most, parameters[knob], "sources", HOUR, note)
    if failed(event) and state.refusals is not None:
        yield _retries(state.refusals, event, parameters)


def _searched(search: Search | None, event: AuditEvent, parameters: Mapping[str, float]) -> Iterator[Measure]:
    for (_, ring), (knob, what, window) in zip(
        (search or Search()).rings(),
        (
            ("probing_targets", "targets denied to this caller", SLOW_SEARCH_WINDOW),
            ("enumeration_targets", "targets asked for that were not there", SEARCH_WINDOW),
            ("malformed_targets", "targets asked for with misfit parameters", SEARCH_WINDOW),
        ),
        strict=True,
    ):
        most = max((len(union(one.targets for one in cells)) for cells in _windows(ring, event, window)), default=0)
        if most:
            yield Measure(what, most, parameters[knob], "targets", window)


def _retries(ring: Ring[Any], event: AuditEvent, parameters: Mapping[str, float]) -> Measure:
    most = max((sum(one.count for one in cells) for cells in _windows(ring, event, LAPSE_WINDOW)), default=0)
    note = "a notice to operations, never a page"
    return Measure("refusals of a lapsed credential", most, parameters["retries"], "refusals", LAPSE_WINDOW, note)


def _windows(ring: Ring[Any], event: AuditEvent, seconds: int) -> Iterator[list[Any]]:
    width = seconds // ring.seconds
    for end in ring.ends(int(event.time) // ring.seconds, width):
        yield ring.window(end, width)


def _widest(
    ring: Bouts | None, state: Guessing, event: AuditEvent, floor: Bar, ceiling: float, crowd: float
) -> tuple[Sum, Bar] | None:
    """Of the windows that hold the event the one with the most guesses, with the bar that it is held against."""
    best: tuple[Sum, Bar] | None = None
    if ring is None:
        return None
    for end in ring.ends(int(event.time) // MINUTE, floor.window // MINUTE):
        time = float(end * MINUTE)
        total = Sum(ring.window(end, floor.window // MINUTE), state.regular(time))
        if best is None or total.guesses + total.nobody + total.weak > best[0].guesses + best[0].nobody + best[0].weak:
            best = total, raised(floor, state, time, ceiling, crowd)
    return best
