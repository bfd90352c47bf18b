"""Corpora: folders with events, directory and truth (DESIGN §10), and the truth as findings are held against it."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from stream.errors import RejectedError
from tocsin_audit.event import seconds

_EVENTS: Final = ("events.ndjson.zst", "events.ndjson.gz", "events.ndjson")
_WEAK: Final = frozenset({"tenant", "server"})
_NEVER: Final = frozenset({"session"})
EXTRA: Final = "TOCSIN_CORPORA"
"""The environment variable that names extra corpora: folders, separated as in PATH."""


@dataclass(frozen=True, slots=True)
class Case:
    """One incident or decoy of the truth.

    `classes` are those that a finding may name; `keys` the field values that tie a finding to it (CONTRACTS §5). Times
    are seconds since the epoch; `deciding` is the event time from which delay is counted; `offsets` are the times of
    its events after `start`, in order. `allowed` are a decoy's classes of operations findings.
    """

    id: str
    class_: str
    classes: frozenset[str]
    scenario: str
    difficulty: str
    keys: frozenset[tuple[str, str]]
    start: float
    end: float
    deciding: float
    event_ids: frozenset[str]
    offsets: tuple[float, ...] = ()
    allowed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Corpus:
    """One labelled corpus: where it is, what it calls itself, and what really happened in it."""

    path: Path
    name: str
    seed: int | None
    digest: str | None
    size: int | None
    events: Path
    directory: Path | None
    incidents: tuple[Case, ...] = field(repr=False)
    decoys: tuple[Case, ...] = field(repr=False)


def read_corpus(path: Path) -> Corpus:
    """A corpus folder; raises RejectedError saying what is missing or does not fit."""
    events = next((path / name for name in _EVENTS if (path / name).is_file()), None)
    if events is None:
        raise RejectedError(f"no {' or '.join(_EVENTS)}", where=str(path), hint="name a corpus folder")
    try:
        truth = msgspec.json.decode((path / "truth.json").read_bytes())
        directory = path / "directory.yaml"
        incidents = _cases(truth["incidents"])
        return Corpus(
            path=path,
            name=str(truth.get("corpus") or path.name),
            seed=truth.get("seed"),
            digest=truth.get("digest"),
            size=truth.get("events") if isinstance(truth.get("events"), int) else None,
            events=events,
            directory=directory if directory.is_file() else None,
            incidents=incidents,
            decoys=_cases(truth.get("decoys", ())),
        )
    except OSError as error:
        raise RejectedError(
            f"the truth cannot be read ({error.strerror})", where=str(path / "truth.json"), hint="name a corpus folder"
        ) from error
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise RejectedError(
            f"the truth does not fit: {error}", where=str(path / "truth.json"), hint="see docs/evaluation.md"
        ) from error


def _cases(records: Iterable[Mapping[str, Any]]) -> tuple[Case, ...]:
    cases = tuple(case(record) for record in records)
    if len({it.id for it in cases}) < len(cases):
        raise ValueError("an id occurs twice")
    return cases


def case(record: Mapping[str, Any]) -> Case:
    """One record of `incidents` or `decoys`; raises KeyError, TypeError or ValueError where it does not fit."""
    start, end = moment(record["start"]), moment(record["end"])
    if end < start:
        raise ValueError(f"{record['id']}: it ends before it starts")
    class_ = str(record["class"])
    return Case(
        id=str(record["id"]),
        class_=class_,
        classes=frozenset({class_, *record.get("also", ())}),
        scenario=str(record.get("scenario") or class_),
        difficulty=str(record.get("difficulty") or "unrated"),
        keys=tying(record.get("entity") or {}),
        start=start,
        end=end,
        deciding=moment(record["deciding"]) if "deciding" in record else start,
        event_ids=frozenset(record.get("event_ids", ())),
        offsets=tuple(record.get("offsets", ())),
        allowed=frozenset(record.get("allowed", ())),
    )


def tying(entity: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """The keys of a truth's entity that tie findings to it: `tenant` and `server` only alone, `session` never."""
    names = set(entity)
    if names - _WEAK:
        names -= _WEAK
    return frozenset((name, str(entity[name])) for name in names - _NEVER)


def moment(value: Any) -> float:
    """Seconds since the epoch of RFC 3339 text or a number; raises ValueError for anything else."""
    if isinstance(value, str):
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is None:
            raise ValueError(f"{value!r} has no zone")
        return parsed.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a time")
    return seconds(value)


def extra_corpora(environment: Mapping[str, str]) -> list[Path]:
    """The corpora that the environment names: each folder itself, else the corpora directly inside it."""
    found: list[Path] = []
    for text in environment.get(EXTRA, "").split(os.pathsep):
        if not text:
            continue
        folder = Path(text)
        inside = (
            [folder] if (folder / "truth.json").is_file() else sorted(it.parent for it in folder.glob("*/truth.json"))
        )
        found += [it for it in inside if any((it / name).is_file() for name in _EVENTS)]
    return found
