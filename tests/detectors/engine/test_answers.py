"""A repeated answer changes nothing that says so, and so costs nothing."""

from dataclasses import replace
from typing import Any

import pytest

from detectors.base import AnyDetector
from detectors.discovery import detector_names, load_detector
from detectors.engine.answers import MINUTES, Answers
from detectors.engine.engine import Engine
from tests.detectors.streams import event, frames


def _without(kind: type[AnyDetector]) -> AnyDetector:
    """The detector as if no answer were a repeat."""
    every: type[Any] = type(kind.__name__, (kind,), {"spec": replace(kind.spec, once={})})
    made: AnyDetector = every()
    return made


@pytest.mark.parametrize("seats", [2, 1_000], ids=["who-is-put-away", "who-stays"])
@pytest.mark.parametrize("names", [*([name] for name in detector_names()), detector_names()], ids="-".join)
def test_passing_over_repeated_answers_changes_no_state_and_no_finding(names: list[str], seats: int) -> None:
    kinds = [load_detector(name) for name in names]
    start = 100.0
    events = [
        event(
            start + index * 1.4,
            user=f"user-{index % 5}",
            tenant="acme",
            source_ip=f"10.0.0.{index % 3}",
            server=f"server-{index % 7 // 4}",
            token=f"k:{index % 4}",
            auth="invalid" if index % 11 == 0 else "valid",
            outcome="auth_invalid" if index % 11 == 0 else "ok",
            reason="invalid password" if index % 11 == 0 else None,
            rows=3,
            response_bytes=400,
        )
        for index in range(450)
    ]
    seen = []
    for detectors in ([kind() for kind in kinds], [_without(kind) for kind in kinds]):
        engine = Engine(detectors, live_limit=seats)
        found = [finding.id for record in frames(events) for finding in engine.fold(record)]
        seen.append((found, engine.snapshot()[1]))
    assert seen[0] == seen[1]


def test_no_more_than_a_few_minutes_are_remembered() -> None:
    answers = Answers()
    for number in range(50):
        answers.of(number)[number] = None
    assert answers.of(49) == {49: None}
    assert sum(bool(answers.of(number)) for number in range(50 - MINUTES, 50)) <= MINUTES
    assert not answers.of(3)
