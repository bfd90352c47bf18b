"""A truth small enough to reckon by hand, and findings about it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.evaluation.corpus import Corpus, case

DAY_ONE = "2026-08-03T"


@pytest.fixture
def small_truth() -> Corpus:
    def incident(number: int, class_: str, grade: str) -> dict[str, Any]:
        return {
            "id": f"i{number}",
            "class": class_,
            "entity": {"user": f"u{number}"},
            "start": f"{DAY_ONE}0{number}:00:00Z",
            "end": f"{DAY_ONE}0{number}:10:00Z",
            "deciding": f"{DAY_ONE}0{number}:00:30Z",
            "event_ids": [f"e{number}.{it}" for it in range(5)],
            "offsets": [0, 15, 30, 45, 60],
            "difficulty": grade,
        }

    return Corpus(
        path=Path("small"),
        name="small",
        seed=1,
        digest="d" * 64,
        size=1000,
        events=Path("small/events.ndjson"),
        directory=None,
        incidents=(
            case(incident(1, "brute", "easy")),
            case(incident(2, "brute", "hard")),
            case(incident(3, "spray", "easy")),
            case(incident(4, "spray", "hard")),
        ),
        decoys=(
            case(
                {
                    "id": "d1",
                    "class": "brute",
                    "scenario": "retry_storm",
                    "entity": {"client": "c"},
                    "start": f"{DAY_ONE}06:00:00Z",
                    "end": f"{DAY_ONE}07:00:00Z",
                    "event_ids": ["x"],
                    "allowed": ["retry_storm"],
                }
            ),
        ),
    )


@pytest.fixture
def make_finding() -> Callable[..., dict[str, Any]]:
    def make(number: int, class_: str = "brute", **changes: Any) -> dict[str, Any]:
        return {
            "id": f"f{number}",
            "class": class_,
            "entity": {"user": f"u{number}"},
            "severity": "high",
            "mode": "live",
            "confidence": 1.0,
            "score": 50,
            "start": f"{DAY_ONE}0{number}:00:00Z",
            "end": f"{DAY_ONE}0{number}:01:00Z",
            "time": f"{DAY_ONE}0{number}:00:30Z",
            "event_ids": [],
            "incident": f"inc{number}",
            "paged": False,
        } | changes

    return make
