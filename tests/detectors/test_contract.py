"""What every detector must keep, whoever wrote it (DESIGN §5, CONTRACTS §3)."""

import ast
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

import alerting
from detectors.base import KINDS, AnyDetector, Cell, Kind
from detectors.discovery import detector_names, load_detector
from detectors.engine.engine import Engine
from detectors.engine.live import LATENESS
from detectors.engine.marks import marks_of
from detectors.engine.state import Codec
from detectors.keys import Raw, entity_of
from stream.decode import decode
from stream.directory import from_builtins
from stream.facts import Facts
from stream.finding import CLASSES, ENCODER, Finding, at_least
from stream.frame import Record
from tests.detectors.learned import outlier_models
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
    read,
    run,
    told,
)
from tests.detectors.traffic import DIRECTORY, hostile, mixed, ordinary, raw_keys
from tocsin_audit.event import AuditEvent

KINDS_OF: Final[dict[str, type[AnyDetector]]] = {
    "reference": Reference,
    **{name: load_detector(name) for name in detector_names()},
}
SHIPPED: Final = detector_names()
SPANNING: Final = ("spray", "canary", "outage")
"""Classes that are about more than one tenant by what they mean; so is whatever begins with `cross_tenant`."""
RUNBOOKS: Final = Path(alerting.__file__).parent / "runbooks"

LEARNED: Final = {"outlier": outlier_models()}
"""What a detector that learns elsewhere must be told before it can say anything."""
EAGER: Final[dict[str, dict[str, float]]] = {"outlier": {"least_hours": 1}}

every = pytest.mark.parametrize("name", KINDS_OF)
shipped = pytest.mark.parametrize("name", SHIPPED)


def make(name: str) -> AnyDetector:
    return KINDS_OF[name](EAGER.get(name))


def told_before(name: str) -> list[Record]:
    return [control(-60.0, model) for model in LEARNED.get(name, ())]


def found_in(name: str, events: Sequence[AuditEvent], **options: Any) -> list[Finding]:
    return run([make(name)], [*told_before(name), *frames(events, **options)], facts=DIRECTORY)


@every
def test_findings_are_the_same_in_any_order_within_the_lateness(name: str) -> None:
    events = mixed(1)
    expected = told(found_in(name, events))
    for seed in range(3):
        chance = random.Random(seed)
        delay = {id(one): chance.uniform(-50.0, LATENESS - 5.0) for one in events}
        arrival = [one.time - START + delay[id(one)] for one in events]
        assert told(found_in(name, events, arrival=arrival)) == expected


@every
def test_a_stream_says_something_about_the_detector(name: str) -> None:
    assert found_in(name, mixed(1)) or found_in(name, mixed(2)), "the suite's traffic does not reach this detector"


@every
@pytest.mark.parametrize("live_limit", [1, 20_000])
def test_a_restored_engine_goes_on_as_if_nothing_had_happened(name: str, live_limit: int) -> None:
    records = [directory(0, DIRECTORY), *told_before(name), *frames(mixed(2))]
    whole = Engine([make(name)])
    expected = [found for record in records for found in whole.fold(record)] + finish(whole)
    chance = random.Random(3)
    engine = Engine([make(name)], live_limit=live_limit)
    stored: dict[str, bytes] = {}
    found: list[Finding] = []
    for number, record in enumerate(records):
        found += engine.fold(record)
        if chance.random() < 20 / len(records) or number == len(records) - 1:
            meta, rows = engine.snapshot()
            stored |= {key: row for key, row in rows.items() if row is not None}
            stored = {key: row for key, row in stored.items() if rows.get(key, row) is not None}
            if chance.random() < 0.5:
                engine = Engine([make(name)], live_limit=live_limit)
                engine.restore(meta, stored)
    found += finish(engine)
    assert ENCODER.encode_lines(found) == ENCODER.encode_lines(expected)


@every
def test_merging_any_split_gives_the_findings_of_folding_all(name: str) -> None:
    detector = make(name)
    facts = Facts(from_builtins(DIRECTORY))
    events = [one for record in frames(mixed(4)) for one in decode(record.frame)]
    facts.clock = max(one.received for one in events)
    for kind in detector.spec.by:
        if kind == "principal":
            continue
        for raw, belonging in by_entity(detector, kind, events, facts).items():
            entity = entity_of(kind, raw, facts)
            whole = detector.start(kind)
            expected = [found for one in belonging for found in detector.step(whole, entity, one, facts)]
            chance = random.Random(5)
            parts = [detector.start(kind) for _ in range(3)]
            for one in belonging:
                detector.step(chance.choice(parts), entity, one, facts)
            chance.shuffle(parts)
            merged = detector.start(kind)
            found = [one for part in parts for one in detector.merge(merged, part, entity, facts)]
            for cell in cells_of(detector, belonging):
                expected += detector.settle(whole, entity, cell, facts)
                found += detector.settle(merged, entity, cell, facts)
            assert told(found) == told(expected), (kind, raw)


@every
def test_a_state_packs_to_the_same_bytes_after_unpacking(name: str) -> None:
    detector = make(name)
    facts = Facts(from_builtins(DIRECTORY))
    events = [one for record in frames(mixed(6)) for one in decode(record.frame)]
    for kind in detector.spec.by:
        codec: Codec[Any] = Codec(type(detector.start(kind)))
        for raw, belonging in by_entity(detector, kind, events, facts).items():
            state = detector.start(kind)
            for one in belonging:
                facts.clock = one.received
                detector.step(state, entity_of(kind, raw, facts), one, facts)
            packed = codec.pack(state)
            assert codec.pack(codec.unpack(packed)) == packed, (kind, raw)


@every
def test_the_cost_of_an_event_and_the_size_of_a_state_do_not_grow_under_a_hot_key(name: str) -> None:
    engine = Engine([make(name)])
    records = frames([barrage(i, "hot") for i in range(3_000)])
    third = len(records) // 3
    for record in records[:third]:
        engine.fold(record)
    before, sizes = calls(engine, records[third : third + 20]), engine.sizes()
    for record in records[third + 20 : -20]:
        engine.fold(record)
    after, later = calls(engine, records[-20:]), engine.sizes()
    assert after < 3 * before
    for kind in ("principal", "source", "tenant", "client", "server", "population", "producer"):
        count, size = later.get(kind, (0, 0))
        assert size <= max(2 * sizes.get(kind, (0, 0))[1], 64_000 * count), kind


@every
def test_chosen_keys_are_bounded_and_do_not_push_out_those_that_are_known(name: str) -> None:
    flood(name, keys=4_000, cap=500)


@pytest.mark.long
@every
def test_a_hundred_thousand_chosen_keys_are_bounded(name: str) -> None:
    flood(name, keys=100_000, cap=5_000)


@every
def test_null_keys_never_group_strangers(name: str) -> None:
    nobody: dict[str, Any] = {
        "user": None,
        "client": None,
        "agent": None,
        "source_ip": None,
        "token": None,
        "producer": None,
    }
    events = [failure(i * 0.5, **nobody) for i in range(300)]
    events += [
        read(i * 0.5, target=f"crm://globex/{i}", resource_tenants=("globex",), rows=9999, **nobody) for i in range(300)
    ]
    for like in ("", "-", "anonymous", "unknown", "null"):
        events += [failure(i * 0.5, **(nobody | {"user": like, "source_ip": like, "token": like})) for i in range(100)]
    for found in found_in(name, events):
        assert not {"user", "client", "agent", "source_ip", "token", "producer"} & found.entity.keys(), found


@every
def test_the_events_of_one_tenant_never_move_the_findings_of_another(name: str) -> None:
    chance = random.Random(8)
    own = ordinary(chance, ("acme",)) + hostile(chance, "acme")
    others = ordinary(chance, ("globex", "initech"), calls=800) + hostile(chance, "globex", network="203.0.113")
    alone, together = found_in(name, own), found_in(name, own + others)

    def about_acme(found: list[Finding]) -> set[tuple[str, str, str]]:
        return told(
            one for one in found if one.tenant == "acme" and not one.class_.startswith(("cross_tenant", *SPANNING))
        )

    assert about_acme(alone) == about_acme(together)


@every
@pytest.mark.parametrize("ahead", [2 * HOUR, DAY, 400 * DAY])
def test_an_event_from_the_future_neither_hides_a_burst_nor_moves_time(name: str, ahead: float) -> None:
    events = mixed(9)
    moments = [one.time - START for one in events]
    expected = told(found_in(name, events, arrival=moments))
    at = len(events) // 3
    stray = event(moments[at] + ahead, user="visitor", source_ip="192.0.2.77", client="visiting", server="elsewhere")
    with_stray = found_in(name, [*events, stray], arrival=[*moments, moments[at]])
    assert told(with_stray) == expected


@every
def test_one_late_event_does_not_fake_anything(name: str) -> None:
    events = ordinary(random.Random(10), calls=300)
    moments = [one.time - START for one in events]
    expected = told(found_in(name, events, arrival=moments))
    for back in (0.5 * HOUR, 5 * HOUR, 30 * DAY):
        late = failure(HOUR - back, user="user-1", client="client-1", tenant="acme", source_ip="10.0.0.1")
        assert told(found_in(name, [*events, late], arrival=[*moments, HOUR])) == expected


@every
def test_denials_by_our_own_deny_list_feed_nothing(name: str) -> None:
    events = ordinary(random.Random(11), calls=200)
    ours = [failure(600 + i, user="user-1", source_ip="10.0.0.1", reason="tocsin.denied:i-1") for i in range(200)]
    ours += [
        read(
            600 + i,
            outcome="authz_denied",
            target=f"crm://globex/{i}",
            resource_tenants=("globex",),
            user="user-1",
            reason="tocsin.denied:i-1",
        )
        for i in range(100)
    ]
    assert told(found_in(name, events + ours)) == told(found_in(name, events))


@every
def test_events_of_a_sampled_source_feed_no_counts(name: str) -> None:
    if KINDS_OF[name].spec.sampled:
        return
    events = [clone(one, sample_rate=0.1) for one in mixed(12)]
    assert found_in(name, events) == []


def test_findings_do_not_depend_on_the_hash_seed() -> None:
    outputs = set()
    for seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.detectors.hash_seed"],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
            timeout=120,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert json.loads(outputs.pop())["findings"]


@every
def test_the_spec_says_everything(name: str) -> None:
    spec = KINDS_OF[name].spec
    assert spec.name == name
    assert spec.classes
    assert set(spec.classes) <= set(CLASSES)
    assert spec.by
    assert set(spec.by) <= set(KINDS)
    assert set(spec.wants) <= set(spec.by)
    assert set(spec.settles) <= set(spec.by)
    assert all(set(spec.cells_of(kind)) <= set(spec.cells) for kind in spec.by)
    assert set(spec.warm_up) <= set(spec.classes)
    assert set(spec.warm_up.values()) <= {"facts", "volume", "learned"}
    assert all(length % 60 == 0 for length in spec.cells)
    assert spec.documentation is not None
    for section, text in asdict(spec.documentation).items():
        assert text.strip(), f"the section '{section}' of the documentation is empty"
    for knob in spec.parameters:
        assert knob.low <= knob.default <= knob.high, knob.name
        assert knob.unit, knob.name
        assert knob.meaning, knob.name


@every
def test_findings_say_what_they_must(name: str) -> None:
    spec = KINDS_OF[name].spec
    for found in found_in(name, mixed(1)) + found_in(name, mixed(13)):
        assert found.class_ in spec.classes
        assert found.entity
        assert set(found.entity) <= set(AuditEvent.__struct_fields__), found.entity
        assert all(found.entity.values())
        assert found.title
        assert found.observed
        assert found.start <= found.end
        assert len(found.event_ids) <= 20
        assert found.count >= 1
        assert 0.0 <= found.confidence <= 1.0
        assert 0 <= found.score <= 100


@shipped
def test_every_class_has_a_runbook(name: str) -> None:
    missing = [class_ for class_ in load_detector(name).spec.classes if not (RUNBOOKS / f"{class_}.yaml").is_file()]
    assert missing == []


@shipped
def test_every_class_has_one_positive_and_two_negative_tests(name: str) -> None:
    module = Path(__file__).parent / f"test_{name}.py"
    assert module.is_file(), f"{module.name} is missing"
    marks = marked(module)
    for class_ in load_detector(name).spec.classes:
        assert marks[("positive", class_)] >= 1, f"no test is marked positive for {class_}"
        assert marks[("negative", class_)] >= 2, f"fewer than two tests are marked negative for {class_}"


def by_entity(
    detector: AnyDetector, kind: Kind, events: Sequence[AuditEvent], facts: Facts
) -> dict[Raw, list[AuditEvent]]:
    wanted = detector.spec.wants.get(kind)
    groups: dict[Raw, list[AuditEvent]] = {}
    for one in events:
        if wanted is None or wanted & marks_of(one, facts):
            for raw in raw_keys(kind, one, facts):
                groups.setdefault(raw, []).append(one)
    return groups


def cells_of(detector: AnyDetector, events: Sequence[AuditEvent]) -> list[Cell]:
    cells = {Cell(length, int(one.time) // length * length) for one in events for length in detector.spec.cells}
    return sorted(cells, key=lambda cell: (cell.end, cell.seconds))


def barrage(number: int, user: str) -> AuditEvent:
    """One of many events of one caller, each with things never seen before; failures, denials, reads in turn."""
    at = number * 0.25
    who: dict[str, Any] = {
        "user": user,
        "client": "c1",
        "source_ip": "198.51.100.9",
        "token": f"k:{number}",
        "args_hash": f"h:{number}",
    }
    turn = number % 4
    if turn == 0:
        return failure(at, **who)
    if turn == 1:
        return read(at, target=f"crm://globex/{number}", resource_tenants=(f"owner-{number}",), rows=50, **who)
    if turn == 2:
        return event(at, outcome="authz_denied", target=f"tool-{number}", **who)
    return event(
        at, target=f"tool-{number}", rows=number, response_bytes=number, handles_presented=(f"n:{number}",), **who
    )


def calls(engine: Engine, records: Sequence[Record]) -> int:
    """Function calls made while folding: the cost, as a number that no other process changes."""
    number = 0

    def count(frame: FrameType, what: str, argument: object) -> None:
        nonlocal number
        number += what in ("call", "c_call")

    sys.setprofile(count)
    try:
        for record in records:
            engine.fold(record)
    finally:
        sys.setprofile(None)
    return number


def chosen(number: int) -> AuditEvent:
    """One event of a flood in which nothing is ever seen twice."""
    one = barrage(number, f"attacker-{number}")
    one.client = f"client-{number}"
    one.source_ip = f"2001:db8::{number:x}"
    one.time = START + 600 + number * 0.005
    return one


def flood(name: str, *, keys: int, cap: int) -> None:
    victim: dict[str, Any] = {"user": "victim", "source_ip": "10.0.0.1", "client": "c1", "token": "k:victim"}
    calm = [event(i, **victim) for i in range(100)]
    expected = told(found_in(name, calm))
    assert not any(at_least(severity, "high") for _, _, severity in expected)  # type: ignore[arg-type]  # told gives plain texts
    caps = dict.fromkeys(KINDS, (cap, 100_000))
    engine = Engine([make(name)], caps=caps, live_limit=cap // 4)
    engine.fold(directory(0, DIRECTORY))
    for record in frames(calm):
        engine.fold(record)
    known = {table: count for table, (count, _) in engine.sizes().items()}
    assert all(count <= 110 for count in known.values())
    for start in range(0, keys, 5_000):
        for record in frames([chosen(number) for number in range(start, min(start + 5_000, keys))]):
            engine.fold(record)
    for kind, (count, size) in engine.sizes().items():
        assert count <= cap + cap // 4 + 8, kind
        assert size <= count * 2_000 + 200_000, kind
    for live, limit in engine.live().values():
        assert live <= limit


def marked(module: Path) -> Counter[tuple[str, str]]:
    """How many tests of a module are marked positive and negative for each class."""
    marks: Counter[tuple[str, str]] = Counter()
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
            for decorator in function.decorator_list:
                if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute):
                    kind = decorator.func.attr
                    for argument in decorator.args:
                        if isinstance(argument, ast.Constant):
                            marks[(kind, str(argument.value))] += 1
    return marks
