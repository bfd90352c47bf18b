"""Secrets of a data directory: made once, whole, for their owner alone."""

import os
import stat
from pathlib import Path

import pytest

from collector.keys import FILE, Keys, list_keys
from stream.errors import StorageError
from tests.tocsin.lines import NOON
from tocsin.first_start import first_key, kept_secret


def test_the_first_key_opens_and_is_made_once(tmp_path: Path) -> None:
    path = first_key(tmp_path, NOON)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Keys(tmp_path / FILE).find(path.read_text().strip()) == list_keys(tmp_path / FILE)[0]
    assert first_key(tmp_path, NOON) is None
    assert len(list_keys(tmp_path / FILE)) == 1


def test_a_secret_is_made_once_and_never_shared(tmp_path: Path) -> None:
    one, other = kept_secret(tmp_path / "one"), kept_secret(tmp_path / "other")
    assert one != other
    assert kept_secret(tmp_path / "one") == one
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"one", "other"}


def test_what_a_crash_left_half_written_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "one.part").write_text("half")
    assert len(kept_secret(tmp_path / "one")) > 30


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_secret_that_is_none_is_refused_with_its_place(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "one").write_bytes(content)
    with pytest.raises(StorageError) as caught:
        kept_secret(tmp_path / "one")
    assert caught.value.where == str(tmp_path / "one")
    assert caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError):
        kept_secret(tmp_path / "one")
