"""The engine folds what one partition's records say, and nothing else."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from detectors.base import ANY, NOTHING, Cell, Detector, Entity, Kind, Spec
from detectors.engine.engine import Engine
from detectors.engine.journal import JOURNAL
from stream.control import Parameters, PeerSummary, Warmth
from stream.errors import ConfigError, DamagedError
from stream.facts import Facts
from stream.finding import Finding, finding_id
from stream.frame import Frame, Header, Record
from tests.detectors.reference import Reference
from tests.detectors.streams import (
    DAY,
    HOUR,
    START,
    clone,
    control,
    directory,
    event,
    failure,
    finish,
    frames,
    run,
    tick,
    told,
)
from tocsin_audit.event import AuditEvent


class Log:
    """What a detector was asked, in order."""

    steps: list[str]
    cells: list[list[int]]

    def __init__(self) -> None:
        self.steps = []
        self.cells = []


class Listener(Detector[Log]):
    """Notes every call in `calls`, and each entity's own in its state."""

    spec = Spec("listener", "1", ("principal",), (60, 300, 3600), ("drill",))

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, ...]] = []

    def start(self, kind: Kind) -> Log:
        return Log()

    def step(self, state: Log, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        self.calls.append(("step", entity.kind, "/".join(entity.names.values()), str(event.tenant), str(event.id)))
        state.steps.append(str(event.id))
        return NOTHING

    def settle(self, state: Log, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        assert facts.clock >= cell.end + 120
        self.calls.append(("settle", "/".join(entity.names.values()), str(cell.seconds), str(cell.start - int(START))))
        state.cells.append([cell.end, cell.seconds])
        assert state.cells == sorted(state.cells)
        return NOTHING


def listen(*, by: tuple[Kind, ...] = ("principal",), **spec: object) -> Listener:
    made = Listener()
    made.spec = replace(Listener.spec, by=by, **spec)  # type: ignore[arg-type]  # fields of the spec by name
    return made


def steps(listener: Listener) -> list[tuple[str, ...]]:
    return [call[1:] for call in listener.calls if call[0] == "step"]


def settles(listener: Listener) -> list[tuple[str, ...]]:
    return [call[1:] for call in listener.calls if call[0] == "settle"]


def test_every_cell_with_an_event_is_settled_once_in_order() -> None:
    listener = listen()
    run([listener], frames([event(t, user="u") for t in (10, 20, 70, 400, 4000)]))
    minutes = [("u", "60", str(start)) for start in (0, 60, 360, 3960)]
    fives = [("u", "300", str(start)) for start in (0, 300, 3900)]
    hours = [("u", "3600", str(start)) for start in (0, 3600)]
    assert sorted(settles(listener)) == sorted(minutes + fives + hours)


def test_an_entity_is_settled_before_it_gets_another_event() -> None:
    crowd = [event(t * 0.01, user=f"u{t}") for t in range(1000)]
    listener = listen(cells=(60,))
    run([listener], frames([*crowd, *(event(181 + t * 0.001, user=f"u{t}") for t in reversed(range(1000)))]))
    seen: set[str] = set()
    for call in listener.calls:
        if call[0] == "settle":
            seen.add(call[1])
        elif call[4] not in {one.id for one in crowd}:
            assert call[2] in seen


def test_settling_never_holds_up_a_frame() -> None:
    listener = listen(cells=(60,))
    engine = Engine([listener])
    for record in frames([event(t * 0.01, user=f"u{t}") for t in range(4_000)]):
        engine.fold(record)
    most = 0
    for record in frames([event(200 + t, user="other") for t in range(200)]):
        before = len(settles(listener))
        engine.fold(record)
        most = max(most, len(settles(listener)) - before)
    assert 0 < most <= 128 + 4_000 // 32 + 1
    assert engine.backlog < 1_000


def test_late_events_step_but_are_not_learned_from() -> None:
    listener = listen(cells=(60,))
    late = event(10, user="u")
    run([listener], frames([event(5, user="u"), event(900, user="u"), late], arrival=[5, 900, 901]))
    assert ("principal", "u", "acme", str(late.id)) in steps(listener)
    assert settles(listener) == [("u", "60", "0"), ("u", "60", "900")]


def test_a_single_event_does_not_lead_the_clock() -> None:
    engine = Engine([listen()])
    for record in frames([event(0, user="u"), event(400 * DAY, user="u"), event(1, user="u")], arrival=[0, 0.5, 1]):
        engine.fold(record)
    assert engine.clock == START + 1


def test_an_old_frame_does_not_turn_the_clock_back() -> None:
    engine = Engine([listen()])
    engine.fold(tick(100))
    engine.fold(tick(50))
    assert engine.clock == START + 100


def test_the_directory_knows_the_caller_s_tenant_better() -> None:
    listener = listen()
    known = {"principals": [{"user": "bob", "tenant": "globex"}]}
    said = event(2, user="bob", tenant="acme")
    engine = Engine([listener])
    records = frames([event(0, user="bob", tenant="acme"), said])
    for record in (records[0], directory(1, known), records[1]):
        engine.fold(record)
    assert [call[2] for call in steps(listener)] == ["acme", "globex"]
    assert records[1].frame.decoded is not None
    assert records[1].frame.decoded[0].tenant == "acme", "what others read of the frame was changed"


def test_a_kind_that_is_not_there_is_not_stepped_and_handles_are_stepped_one_by_one() -> None:
    listener = listen(by=("handle", "object", "token", "population"))
    run([listener], frames([event(0, handles_minted=("a", "b"), handles_presented=("b",))]))
    assert [call[:2] for call in steps(listener)] == [("handle", "a"), ("handle", "b")]


def test_duplicates_are_folded_once() -> None:
    listener = listen()
    one = event(0, user="u", run="r", seq=7)
    run([listener], frames([one, clone(one), event(1, user="u", run="r", seq=8)]))
    assert len(steps(listener)) == 2


def test_a_producer_of_another_key_is_another_producer() -> None:
    listener = listen(by=("producer",))
    engine = Engine([listener])
    for source in ("key-1", "key-2"):
        for record in frames([event(0)], source=source):
            engine.fold(record)
    assert {table: count for table, (count, _) in engine.sizes().items()} == {"producer": 2}


def test_wants_choose_the_events_and_sampled_sources_are_for_facts_only() -> None:
    counting = listen(wants={"principal": ANY})
    stating = listen(sampled=True)
    stating.spec = replace(stating.spec, name="stating")
    run([counting, stating], frames([event(0, user="u", sample_rate=0.5), event(1, user="u", sample_rate=1.0)]))
    assert (len(steps(counting)), len(steps(stating))) == (1, 2)
    refused = listen(wants={"principal": 1})
    run([refused], frames([event(0, user="u"), failure(1, user="u")]))
    assert len(steps(refused)) == 1


def test_parameters_change_where_their_record_stands() -> None:
    engine = Engine([Reference()])
    engine.fold(control(0, Parameters({"reference": {}, "unknown": {"x": 1}})))
    assert run([], frames([failure(10 + i, user="u") for i in range(6)]), engine=engine)


def test_a_group_is_settled_before_its_members_and_tells_them() -> None:
    class Grouped(Listener):
        spec = replace(Listener.spec, by=("principal", "population"), cells=(60,))

        def step(self, state: Log, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
            state.steps = [str(event.client)]
            return NOTHING

        def settle(self, state: Log, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
            self.calls.append((entity.kind, *(str(one.values) for one in facts.summaries())))
            return NOTHING

        def summary(self, state: Log, entity: Entity, cell: Cell) -> tuple[int, ...] | None:
            assert entity.kind == "population"
            return (cell.start - int(START), len(entity.key))

    grouped = Grouped()
    engine = Engine([grouped])
    run([], frames([event(0, user=f"u{i}", client="c") for i in range(300)]), engine=engine)
    assert grouped.calls[0][0] == "population"
    assert {call[0] for call in grouped.calls[1:]} == {"principal"}
    assert all(len(call) == 2 for call in grouped.calls[1:])
    engine.fold(control(9 * HOUR, PeerSummary("listener", "g", 60, 0, (1,))))
    assert len(engine.facts.summaries()) == 2
    engine.fold(directory(9 * HOUR, {}))
    assert len(engine.facts.summaries()) == 2


def test_the_mode_is_stamped() -> None:
    burst = [failure(i, user="u") for i in range(6)]
    assert {one.mode for one in run([Reference()], frames(burst))} == {"live"}
    assert {one.mode for one in run([Reference()], frames(burst, imported=True))} == {"observe"}
    engine = Engine([Reference()])
    engine.fold(control(0, Warmth("shadow", detector="reference")))
    assert {one.mode for one in run([], frames(burst), engine=engine)} == {"shadow"}


class Closing(Listener):
    """Finds something in every closed cell, decided by its last event or by the whole of it."""

    spec = Spec("closing", "1", ("principal",), (300,), ("brute",))
    whole = False

    def settle(self, state: Log, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        id_ = finding_id("closing", 1, "brute", entity.names, cell.start, 300, None)
        time = cell.end if self.whole else cell.end - 1
        return (
            Finding(
                id=id_,
                detector="closing",
                version="1",
                class_="brute",
                entity=dict(entity.names),
                severity="high",
                title="closed",
                start=cell.start,
                end=cell.end,
                time=time,
            ),
        )


@pytest.mark.parametrize("restored", [False, True])
@pytest.mark.parametrize(("whole", "third"), [(False, "live"), (True, "observe")])
def test_what_a_cell_of_imported_history_shows_is_observed_though_it_closes_later(
    *, whole: bool, third: str, restored: bool
) -> None:
    def made() -> Engine:
        detector = Closing()
        detector.whole = whole
        return Engine([detector])

    engine = made()
    for record in frames([event(30, user="u"), event(310, user="u"), event(650, user="u")], imported=True):
        assert all(one.mode == "observe" for one in engine.fold(record))
    if restored:
        meta, rows = engine.snapshot()
        engine = made()
        engine.restore(meta, {name: row for name, row in rows.items() if row is not None})
    modes = {
        one.start: one.mode for one in [*engine.fold(frames([event(1000, user="u")], offset=3)[0]), *finish(engine)]
    }
    assert [modes[START + at] for at in (300, 600, 900)] == ["observe", third, "live"]


def test_a_detector_that_fails_blinds_no_other_and_is_told_once_a_day() -> None:
    class Faulty(Listener):
        spec = replace(Listener.spec, name="faulty")

        def step(self, state: Log, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
            raise ZeroDivisionError("one divided by none")

        def settle(self, state: Log, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
            raise ZeroDivisionError("one divided by none")

    burst = [failure(i, user="u") for i in range(6)]
    found = run([Faulty(), Reference()], frames(burst), settle=False)
    failed = [one for one in found if one.class_ == "audit_gap"]
    assert len(failed) == 1
    assert failed[0].observed == "ZeroDivisionError: one divided by none"
    assert told(one for one in found if one.class_ != "audit_gap") == told(run([Reference()], frames(burst)))


def test_a_flood_shares_one_entity_that_is_named_as_such() -> None:
    listener = listen(cells=())
    caps = {"principal": (100, 10_000)}
    engine = Engine([listener], caps=caps)
    theirs = {"tenant": "globex", "producer": "p2"}
    run([], frames([event(i * 0.1, user=f"known{i}", **theirs) for i in range(10)]), engine=engine, settle=False)
    run([], frames([event(2 + i * 0.01, user=f"evil{i}") for i in range(500)]), engine=engine, settle=False)
    run([], frames([event(20, user="known1", **theirs), event(20, user="new", **theirs)]), engine=engine)
    assert engine.sizes()["principal"][0] <= 126
    names = [call[1] for call in steps(listener)]
    assert names[-2:] == ["known1", "new"]
    assert names.count("principal/acme") >= 400


def test_what_was_not_seen_for_long_is_forgotten_by_the_log_s_clock() -> None:
    engine = Engine([Reference()], caps={"principal": (1000, 600), "source": (1000, 600), "tenant": (1000, 600)})
    run([], frames([failure(0, user="u", source_ip="s")]), engine=engine, settle=False)
    idle(engine, 9 * HOUR)
    assert engine.sizes()["principal"][0] == 1
    idle(engine, 15 * HOUR)
    assert {count for count, _ in engine.sizes().values()} == {0}


def test_states_that_say_nothing_are_forgotten_within_hours() -> None:
    silent = listen(cells=(), wants={"principal": ANY})
    silent.step = lambda state, entity, event, facts: NOTHING  # type: ignore[method-assign]  # keeps its state as it was
    engine = Engine([silent])
    run([], frames([event(0, user="u")]), engine=engine, settle=False)
    assert engine.sizes()["principal"][0] == 1
    idle(engine, 6 * HOUR)
    assert engine.sizes()["principal"][0] == 0


def test_a_quiet_state_rests_once_its_open_hours_are_over() -> None:
    engine = Engine([Reference()])
    run([], frames([failure(i, user="u") for i in range(20)]), engine=engine, settle=False)
    engine.fold(tick(HOUR))
    before = engine.sizes()["principal"][1]
    engine.fold(tick(27 * HOUR + 600))
    idle(engine, 5 * HOUR)
    assert 0 < engine.sizes()["principal"][1] < before


def idle(engine: Engine, seconds: float) -> None:
    """Let time pass, in as many ticks as it takes to go through everything once."""
    begin = engine.clock - START
    for number in range(1, 4_200):
        engine.fold(tick(begin + seconds * number / 4_200))


def stored(engine: Engine, rows: dict[str, bytes] | None = None) -> tuple[bytes, dict[str, bytes]]:
    meta, changed = engine.snapshot()
    kept = {**(rows or {})}
    for name, row in changed.items():
        if row is None:
            kept.pop(name, None)
        else:
            kept[name] = row
    return meta, kept


def test_snapshots_write_what_changed_and_never_grow_without_bound() -> None:
    chance = random.Random(1)
    engine = Engine([Reference()])
    rows: dict[str, bytes] = {}
    for number in range(120):
        events = [failure(number * 30 + chance.random(), user=f"u{chance.randrange(2000)}") for _ in range(20)]
        for record in frames(events):
            engine.fold(record)
        meta, rows = stored(engine, rows)
    assert sum(name.startswith(JOURNAL) for name in rows) <= 60
    restored = Engine([Reference()])
    restored.restore(meta, rows)
    assert restored.sizes() == engine.sizes()
    assert restored.backlog == engine.backlog


def test_a_snapshot_of_another_key_or_of_nonsense_is_refused() -> None:
    engine = Engine([Reference()])
    run([], frames([failure(0, user="u")]), engine=engine, settle=False)
    meta, rows = stored(engine)
    with pytest.raises(ConfigError, match="another key"):
        Engine([Reference()], secret=b"other").restore(meta, rows)
    with pytest.raises(DamagedError, match="cannot be read"):
        Engine([Reference()]).restore(meta[:-3], rows)
    with pytest.raises(DamagedError, match="cannot be read"):
        Engine([Reference()]).restore(meta, {name: row[:-1] for name, row in rows.items()})


def test_another_set_of_detectors_takes_over_the_states_it_knows() -> None:
    burst = [failure(i, user="u") for i in range(4)]
    engine = Engine([listen(cells=(300,)), Reference()])
    run([], frames(burst), engine=engine, settle=False)
    meta, rows = stored(engine)
    restored = Engine([Reference()])
    restored.restore(meta, rows)
    more = frames([failure(5, user="u"), failure(6, user="u")])
    assert told(run([], more, engine=restored)) == told(run([Reference()], frames(burst) + more))
    renewed = Reference()
    renewed.spec = replace(Reference.spec, state_version=2)
    fresh = Engine([renewed])
    fresh.restore(meta, rows)
    assert run([], more, engine=fresh) == []


def test_a_control_record_that_cannot_be_read_is_named() -> None:
    engine = Engine([Reference()])
    broken = Record(0, Frame(Header(received=START, content="control", codec="none"), b'{"control":"new-fangled"}'))
    with pytest.raises(DamagedError, match="control record cannot be read"):
        engine.fold(broken)


def test_ticks_alone_end_all_settling() -> None:
    listener = listen()
    engine = Engine([listener])
    run([], frames([event(i * 0.01, user=f"u{i}") for i in range(3000)]), engine=engine, settle=False)
    finish(engine)
    assert engine.backlog == 0
    assert len(settles(listener)) == 3 * 3000
