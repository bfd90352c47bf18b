"""A snapshot that is made while the fold goes on holds what one made at once would have held."""

import random

import pytest

from detectors.engine.engine import Engine
from detectors.failed_auth import FailedAuth
from stream.frame import Record
from tests.detectors.reference import Reference
from tests.detectors.streams import HOUR, START, event, failure, frames, tick


def stream(seed: int) -> list[Record]:
    """Frames of many principals, most of them seen again soon, with pauses in which cells close and states rest."""
    chance = random.Random(seed)
    records: list[Record] = []
    moment = 0.0
    for _ in range(40):
        events = [
            (failure if chance.random() < 0.5 else event)(moment + at, user=f"u{chance.randrange(300)}")
            for at in range(12)
        ]
        records += frames(events, offset=len(records))
        if chance.random() < 0.2:
            moment += chance.choice((70.0, HOUR, 5 * HOUR))
            records.append(tick(moment + 130))
        moment += 12.0
    return records


@pytest.mark.parametrize("live_limit", [20, 6_000])
@pytest.mark.parametrize("seed", range(3))
def test_a_draft_holds_what_was_known_where_it_began_however_much_is_folded_meanwhile(
    seed: int, live_limit: int
) -> None:
    at_once = Engine([FailedAuth(), Reference()], live_limit=live_limit)
    bit_by_bit = Engine([FailedAuth(), Reference()], live_limit=live_limit)
    records = stream(seed)
    snapshots = draft = None
    for number, record in enumerate(records):
        if number % 9 == 0:
            if draft is not None:
                assert (draft.meta, draft.rows()) == snapshots
            snapshots, draft = at_once.snapshot(), bit_by_bit.draft()
        assert at_once.fold(record) == bit_by_bit.fold(record)
        assert draft is not None
        draft.advance(idle=False)
    assert bit_by_bit.clock > START + 2 * HOUR


def test_a_draft_is_whole_after_as_many_slices_as_there_is_to_pack() -> None:
    engine = Engine([Reference()])
    for record in frames([failure(number, user=f"u{number}") for number in range(600)]):
        engine.fold(record)
    draft = engine.draft()
    slices = 1
    while not draft.advance(idle=False):
        slices += 1
    assert draft.left == 0
    assert 5 < slices < 100
    again = Engine([Reference()])
    again.restore(draft.meta, {name: row for name, row in draft.rows().items() if row is not None})
    assert again.sizes() == engine.sizes()
