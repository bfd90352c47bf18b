from pathlib import Path

import pytest

from tocsin_audit.spool import Spool, SpoolFullError


def drain(spool: Spool) -> list[bytes]:
    lines: list[bytes] = []
    while (path := spool.oldest()) is not None:
        lines += spool.read(path)
        spool.remove(path)
    return lines


def test_segments_come_back_oldest_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run", most_bytes=10_000)
    for number in range(5):
        spool.write([b"%d" % number, b"x"])
    assert drain(spool) == [line for number in range(5) for line in (b"%d" % number, b"x")]
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_living_owner_keeps_its_segments_and_a_dead_ones_are_taken(tmp_path: Path) -> None:
    first = Spool(tmp_path, "first", most_bytes=10_000)
    first.write([b"a"])
    second = Spool(tmp_path, "second", most_bytes=10_000)
    assert len(second) == 0
    first.close()
    assert second.adopt() == 1
    assert drain(second) == [b"a"]
    assert [path.name for path in tmp_path.iterdir()] == ["second"]
    second.close()


def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run", most_bytes=40)
    spool.write([b"a"])
    with pytest.raises(SpoolFullError):
        spool.write([b"b"])
    assert drain(spool) == [b"a"]
    spool.close()


def test_a_damaged_segment_gives_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run", most_bytes=10_000)
    path = spool.write([b"a" * 100])
    path.write_bytes(path.read_bytes()[:-9])
    assert spool.read(path) == []
    spool.remove(path)
    spool.close()


def test_a_directory_has_one_owner(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run", most_bytes=10_000)
    with pytest.raises(OSError, match="belongs to another process"):
        Spool(tmp_path, "run", most_bytes=10_000)
    spool.close()
