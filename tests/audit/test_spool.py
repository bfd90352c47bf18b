import base64
import gzip
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tocsin_audit.spool import Spool, SpoolFullError
from tocsin_audit.spool_keys import SpoolKeys


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


SECRET = b'{"user":"very-secret-alice"}'
OLD, NEW = "11" * 32, base64.b64encode(b"n" * 32).decode()


def left(folder: Path) -> bytes:
    return b"".join(path.name.encode() + path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def opened() -> Iterator[Callable[..., Spool]]:
    """Opens spools, and closes those that a test left open."""
    with ExitStack() as stack:

        def open_(base: Path, run: str, keys: str | None = None) -> Spool:
            spool = Spool(base, run, most_bytes=10_000, keys=None if keys is None else SpoolKeys(keys))
            stack.callback(spool.close)
            return spool

        yield open_


def test_with_a_key_nothing_waits_in_plain(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path, "run", OLD)
    path = spool.write([SECRET, b"x"])
    assert gzip.compress(SECRET)[:2] not in path.read_bytes()[:4]
    assert b"very-secret" not in left(tmp_path)
    assert drain(spool) == [SECRET, b"x"]


def test_keys_are_replaced_without_losing_what_waits(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    plain = opened(tmp_path, "plain")
    plain.write([b"0"])
    plain.close()
    first = opened(tmp_path, "first", OLD)
    first.write([b"1"])
    first.close()
    both = opened(tmp_path, "both", f"{NEW}, {OLD}")
    both.write([b"2"])
    both.close()
    last = opened(tmp_path, "last", f"{NEW},{OLD}")
    assert drain(last) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("keys", [None, NEW])
def test_what_is_under_a_key_that_is_not_there_waits_for_it(
    tmp_path: Path, opened: Callable[..., Spool], keys: str | None
) -> None:
    first = opened(tmp_path, "first", OLD)
    first.write([SECRET])
    first.close()
    without = opened(tmp_path, "without", keys)
    assert len(without) == 0
    without.close()
    assert drain(opened(tmp_path, "with", OLD)) == [SECRET]


def test_a_segment_that_was_changed_or_renamed_is_no_event(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path, "run", OLD)
    path = spool.write([SECRET])
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :])
        assert spool.read(path) == []
    other = path.with_name(f"0{path.name}")
    other.write_bytes(whole)
    assert spool.read(other) == []


@pytest.mark.parametrize("text", ["", "short", "00" * 31, f"{OLD},", "é" * 44])
def test_a_text_that_is_no_key_is_refused_with_what_to_do_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="32 random bytes") as caught:
        SpoolKeys(text)
    assert len(text) < 6 or text not in str(caught.value)


def test_a_missing_library_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(ValueError, match=r"pip install 'tocsin-audit\[encrypt\]'"):
        SpoolKeys(OLD)
