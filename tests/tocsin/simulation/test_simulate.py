import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detectors.base import event_id
from stream.errors import ConfigError
from stream.facts import Facts
from tocsin.config.directory_file import read_directory
from tocsin.evaluation.corpus import read_corpus
from tocsin.evaluation.span import lines_of
from tocsin.simulation import PRESETS, Parameters, simulate
from tocsin.simulation.season import DAY
from tocsin_audit.event import FIELDS, OUTCOMES

CORE = {
    "brute",
    "spray",
    "stuffing",
    "success_after",
    "token_replay",
    "scope_probing",
    "enumeration",
    "unauthenticated",
    "volume_burst",
    "volume_slow",
    "cross_tenant_read",
    "cross_tenant_denied",
    "cross_tenant_handle",
    "cross_tenant_leak",
    "canary",
    "mixup",
}


def test_every_core_class_is_staged_in_three_grades(tiny_corpus: Any) -> None:
    staged = {(it["class"], it["difficulty"]) for it in tiny_corpus.truth["incidents"]}
    assert {name for name, _ in staged} == CORE
    assert {(name, grade) for name in CORE for grade in ("easy", "medium", "hard")} <= staged


def test_every_event_of_the_truth_is_in_the_events(tiny_corpus: Any) -> None:
    known = {event_id(event) for event in tiny_corpus.events}
    for label in tiny_corpus.truth["incidents"] + tiny_corpus.truth["decoys"]:
        assert label["event_ids"], label["id"]
        assert known.issuperset(label["event_ids"]), label["id"]
        assert len(label["event_ids"]) <= (5000 if "why_benign" in label else 1000)


def test_an_incident_spans_its_events_and_lies_in_the_simulated_time(tiny_corpus: Any) -> None:
    times = {event_id(event): event.time for event in tiny_corpus.events}
    corpus = read_corpus(tiny_corpus.summary.out)
    start = datetime.fromisoformat(PRESETS["tiny"].start).replace(tzinfo=UTC).timestamp()
    for case in corpus.incidents:
        own = [times[it] for it in case.event_ids]
        assert case.start <= min(own) + 0.01, case.id
        assert max(own) <= case.end + 0.01, case.id
        assert case.start <= case.deciding <= case.end, case.id
        assert start - 60 <= case.start
        assert case.end <= start + PRESETS["tiny"].days * DAY + 60


def test_an_incidents_entity_is_that_of_one_of_its_events(tiny_corpus: Any) -> None:
    events = {event_id(event): event for event in tiny_corpus.events}
    for label in tiny_corpus.truth["incidents"]:
        values = {(name, str(getattr(events[it], name))) for it in label["event_ids"] for name in label["entity"]}
        for name, value in label["entity"].items():
            assert (name, value) in values, label["id"]


def test_events_use_only_the_fields_and_outcomes_of_the_schema(tiny_corpus: Any) -> None:
    for number, line in enumerate(lines_of(tiny_corpus.summary.out / "events.ndjson.zst")):
        if number % 37 == 0:
            assert set(msgspec.json.decode(line)) <= set(FIELDS)
    assert {it.outcome for it in tiny_corpus.events} <= OUTCOMES


def test_running_numbers_have_no_gaps_and_a_repeated_number_is_the_same_event(tiny_corpus: Any) -> None:
    seen: dict[tuple[str, str], Counter[int]] = {}
    for event in tiny_corpus.events:
        seen.setdefault((event.producer, event.run), Counter())[event.seq] += 1
    for numbers in seen.values():
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert sum(count - 1 for numbers in seen.values() for count in numbers.values()) > 0


def test_events_arrive_out_of_order_but_not_by_more_than_the_lateness(tiny_corpus: Any) -> None:
    clock, back = 0.0, 0
    for event in tiny_corpus.events:
        if event.time > clock + 3600 and clock:
            continue  # a worker's clock that is a day ahead leads nobody
        back += event.time < clock
        if event.time > clock - 2 * DAY:
            assert event.time > clock - 150
        clock = max(clock, event.time)
    assert back > 100


def test_the_directory_is_one_that_can_be_read_and_covers_every_caller(tiny_corpus: Any) -> None:
    directory, _ = read_directory(tiny_corpus.summary.out / "directory.yaml")
    facts = Facts(directory)
    known = [it for it in tiny_corpus.events if it.auth == "valid" and it.outcome == "ok"]
    assert all(facts.role(it) for it in known)
    assert all(facts.tenant(it) == it.tenant for it in known)


def test_whatever_crosses_tenants_without_a_live_grant_is_labelled(tiny_corpus: Any) -> None:
    directory, _ = read_directory(tiny_corpus.summary.out / "directory.yaml")
    facts = Facts(directory)
    labelled = {it for label in tiny_corpus.truth["incidents"] for it in label["event_ids"] if label["count"] <= 1000}
    for event in tiny_corpus.events:
        foreign = [it for it in facts.owners(event) if it not in ("public", event.tenant)]
        crossing = [it for it in foreign if event.tenant and facts.grant(event, it) is None]
        if crossing and event.outcome == "ok":
            assert event_id(event) in labelled


def test_a_read_under_an_expired_grant_has_a_grant_that_expired(tiny_corpus: Any) -> None:
    directory, _ = read_directory(tiny_corpus.summary.out / "directory.yaml")
    facts = Facts(directory)
    events = {event_id(event): event for event in tiny_corpus.events}
    labels = [it for it in tiny_corpus.truth["incidents"] if it["id"].startswith("read_configured")]
    hard = [it for it in labels if it["difficulty"] == "hard"]
    assert hard
    for label in hard:
        event = events[label["event_ids"][0]]
        owner = event.resource_tenants[0]
        assert facts.grant(event, owner) is None
        assert facts.expired_grant(event, owner) is not None


def test_a_silent_corpus_has_decoys_and_no_incidents(tmp_path: Path) -> None:
    summary = simulate(5, None, tmp_path, parameters=replace(PRESETS["tiny"], attacks=0.0))
    assert summary.incidents == 0
    assert summary.decoys > 10


def test_without_configuration_nothing_names_an_owner(tmp_path: Path) -> None:
    simulate(5, None, tmp_path, parameters=replace(PRESETS["tiny"], days=1, configured=False))
    assert (tmp_path / "directory.yaml").read_text() == "{}\n"
    assert not any(b"resource_tenants" in line for line in lines_of(tmp_path / "events.ndjson.zst"))


def test_the_same_seed_gives_the_same_bytes_under_any_hash_seed(tmp_path: Path) -> None:
    digests = set()
    for number in ("0", "4711"):
        code = (
            "from pathlib import Path; from tocsin.simulation import simulate; "
            f"print(simulate(9, 1, Path({str(tmp_path / number)!r}), preset='tiny').digest)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": number},
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert (tmp_path / "0" / "truth.json").read_bytes() == (tmp_path / "4711" / "truth.json").read_bytes()


def test_another_seed_gives_another_corpus(tmp_path: Path) -> None:
    assert simulate(1, 1, tmp_path / "a", preset="tiny").digest != simulate(2, 1, tmp_path / "b", preset="tiny").digest


def test_the_number_of_events_asked_for_is_met_within_a_fifth(tmp_path: Path) -> None:
    asked = Parameters(name="sized", days=7, attacks=0.0, decoys=False)
    summary = simulate(3, None, tmp_path, parameters=asked, events_target=60_000)
    assert summary.events == pytest.approx(60_000, rel=0.2)


@pytest.mark.parametrize(
    ("wish", "hint"),
    [({"preset": "tyni"}, "choose one of"), ({"parameters": Parameters(days=0)}, "raise days")],
)
def test_an_impossible_wish_says_what_would_be_possible(tmp_path: Path, wish: dict[str, Any], hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        simulate(1, None, tmp_path, **wish)
    assert hint in caught.value.hint


def test_progress_is_told_each_simulated_day(tmp_path: Path) -> None:
    told: list[float] = []
    simulate(1, 2, tmp_path, preset="tiny", progress=lambda done, _: told.append(done))
    assert told == [0.5, 1.0]
