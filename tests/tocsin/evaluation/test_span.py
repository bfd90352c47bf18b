import gzip
from pathlib import Path

import pytest
import zstandard

from stream.errors import DamagedError
from tocsin.evaluation.span import lines_of, span_of

LINES = b'{"time":"2026-08-03T00:00:00Z"}\nnot json\n{"time":1785758400}\n{"server":"x"}\n'


def test_a_span_counts_events_and_leaves_out_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(LINES)
    span = span_of(path)
    assert (span.events, span.end - span.start) == (2, 12 * 3600)
    assert span.days == 0.5


def test_one_event_from_the_wrong_year_does_not_stretch_the_span(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(LINES * 1500 + b'{"time":0}\n{"time":4000000000}\n')
    assert span_of(path).days == 0.5


def test_compressed_files_read_like_plain_ones(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(LINES)
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(LINES))
    (tmp_path / "a.ndjson.zst").write_bytes(zstandard.compress(LINES))
    read = [list(lines_of(tmp_path / name)) for name in ("a.ndjson", "a.ndjson.gz", "a.ndjson.zst")]
    assert read[0] == read[1] == read[2] == LINES.splitlines(keepends=True)


@pytest.mark.parametrize("name", ["a.ndjson.gz", "a.ndjson.zst"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"garbage" * 10)
    with pytest.raises(DamagedError, match="cannot be read") as caught:
        span_of(tmp_path / name)
    assert name in caught.value.where


def test_an_empty_file_has_no_events(tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_bytes(b"")
    assert span_of(tmp_path / "events.ndjson").events == 0
