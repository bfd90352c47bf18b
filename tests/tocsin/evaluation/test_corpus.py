from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream.errors import RejectedError
from tocsin.evaluation.corpus import EXTRA, extra_corpora, moment, read_corpus

INCIDENT: dict[str, Any] = {
    "id": "a",
    "class": "brute",
    "entity": {"user": "u"},
    "start": "2026-08-03T10:00:00Z",
    "end": "2026-08-03T10:00:00Z",
    "event_ids": ["e"],
}


def write(folder: Path, truth: object, events: str | None = "events.ndjson") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "truth.json").write_bytes(msgspec.json.encode(truth))
    if events is not None:
        (folder / events).write_bytes(b"")
    return folder


@pytest.mark.parametrize("name", ["events.ndjson", "events.ndjson.gz", "events.ndjson.zst"])
def test_a_corpus_may_be_plain_or_compressed(tmp_path: Path, name: str) -> None:
    corpus = read_corpus(write(tmp_path, {"corpus": "c", "incidents": [INCIDENT]}, name))
    assert (corpus.name, corpus.events.name, corpus.decoys) == ("c", name, ())
    assert corpus.incidents[0].deciding == corpus.incidents[0].start


def test_a_corpus_without_a_name_is_called_after_its_folder(tmp_path: Path) -> None:
    assert read_corpus(write(tmp_path / "mine", {"incidents": []})).name == "mine"


@pytest.mark.parametrize(
    ("truth", "says"),
    [
        ({}, "incidents"),
        ([], "list"),
        ({"incidents": [INCIDENT, INCIDENT]}, "occurs twice"),
        ({"incidents": [INCIDENT | {"start": "yesterday"}]}, "yesterday"),
        ({"incidents": [INCIDENT | {"start": "2026-08-03T10:00:00"}]}, "no zone"),
        ({"incidents": [INCIDENT | {"end": "2026-08-03T09:00:00Z"}]}, "before it starts"),
        ({"incidents": ["x"]}, "fit"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused_with_its_place(tmp_path: Path, truth: object, says: str) -> None:
    with pytest.raises(RejectedError, match=says) as caught:
        read_corpus(write(tmp_path, truth))
    assert caught.value.where.endswith("truth.json")


def test_a_folder_without_events_or_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RejectedError, match="events"):
        read_corpus(write(tmp_path / "a", {"incidents": []}, None))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "events.ndjson").write_bytes(b"")
    with pytest.raises(RejectedError, match="truth"):
        read_corpus(tmp_path / "b")


def test_extra_corpora_are_folders_or_folders_of_folders(tmp_path: Path) -> None:
    one = write(tmp_path / "one", {"incidents": []})
    two = write(tmp_path / "many" / "two", {"incidents": []})
    write(tmp_path / "many" / "no-events", {"incidents": []}, None)
    named = {EXTRA: f"{one}:{tmp_path / 'many'}:{tmp_path / 'missing'}"}
    assert extra_corpora(named) == [one, two]
    assert extra_corpora({}) == []


def test_moments_are_rfc_3339_or_numbers() -> None:
    assert moment("2026-08-03T10:00:00Z") == moment(1785751200) == moment(1785751200000.0)
    for wrong in (True, None, "soon"):
        with pytest.raises(ValueError, match=r"."):
            moment(wrong)
