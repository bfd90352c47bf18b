"""The seats among the live: who comes all the time keeps one, whoever else comes once."""

from detectors.engine.engine import Engine
from detectors.engine.seats import GUESTS
from detectors.engine.table import Table
from detectors.failed_auth import FailedAuth
from stream.facts import Facts
from tests.detectors.streams import HOUR, event, frames, run, tick

MINUTE = 1_000_000
SEATS = 64


def _table() -> Table:
    return Table("source", 0, [FailedAuth()], Facts(), secret=b"secret", live_limit=SEATS)


def _come(table: Table, raw: str, minute: int) -> None:
    clock = minute * 60.0
    live = table.live.get(raw)
    if live is None:
        identity, live = table.find(raw, clock)
        if live is None:
            live = table.add(raw, identity, clock)
    live.seen = minute
    table.touch(live)


def test_who_comes_all_the_time_is_not_driven_out_by_many_who_come_once() -> None:
    table = _table()
    regulars = [f"regular-{number}" for number in range(SEATS - SEATS // GUESTS - 8)]
    for minute in range(MINUTE, MINUTE + 5):
        for number, raw in enumerate(regulars):
            _come(table, raw, minute)
            for more in range(3):
                _come(table, f"stranger-{minute}-{number}-{more}", minute)
    kept = [raw for raw in regulars if raw in table.live]
    assert kept == regulars
    assert len(table.live) == SEATS


def test_seats_go_to_others_once_their_holders_come_no_more() -> None:
    table = _table()
    for shift in ("early", "late"):
        begin = MINUTE if shift == "early" else MINUTE + 30
        for minute in range(begin, begin + 5):
            for number in range(SEATS * 3 // 4):
                _come(table, f"{shift}-{number}", minute)
                _come(table, f"stranger-{minute}-{number}", minute)
    assert all(f"late-{number}" in table.live for number in range(SEATS * 3 // 4))
    assert sum(f"early-{number}" in table.live for number in range(SEATS)) <= SEATS // 4


def test_everybody_is_known_seated_or_not() -> None:
    table = _table()
    for number in range(SEATS * 4):
        _come(table, f"source-{number}", MINUTE)
    for number in range(SEATS * 4):
        _, live = table.find(f"source-{number}", MINUTE * 60.0)
        assert (live if live is not None else table.live.get(f"source-{number}")) is not None
    assert table.count == SEATS * 4


def test_a_token_that_was_only_accepted_is_forgotten_once_its_minutes_are_held_no_more() -> None:
    engine = Engine([FailedAuth()])
    run([], frames([event(0, user="u", token="k:1", source_ip="192.0.2.1")]), engine=engine, settle=False)
    assert engine.sizes_known("token") == 1
    for number in range(8_400):  # each goes through one of 4,096 parts of the table
        engine.fold(tick(13.0 * HOUR * number / 8_400))
    assert engine.sizes_known("token") == 0
    assert engine.sizes_known("principal") == 1
