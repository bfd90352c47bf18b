"""Whatever is changed in a store by somebody without the signing key is found, and its place is named."""

import shutil
from pathlib import Path
from random import Random

import pytest

from stream.errors import StorageError
from tests.stream.ledgers import verify, write
from tests.stream.tampering import ATTACKS, Store

MANY = 1_000
BUSY = 3 * 1_440
"""Frames of three days, one a minute."""


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed") / "data"
    write(folder, frames=30, each=3)
    return folder


def attack(sealed: Path, folder: Path, name: str, seed: int) -> str | None:
    """What verification did wrong after an attack."""
    shutil.copytree(sealed, folder)
    store = Store(folder, seed)
    done = ATTACKS[name](store)
    faults = verify(folder).faults
    shutil.rmtree(folder)
    told = f"{name} with seed {seed} ({done.what}, at {sorted(done.places)}): {[tuple(fault) for fault in faults]}"
    if not faults:
        return f"not found: {told}"
    named = [fault for fault in faults if (fault.file.name, fault.offset) in done.places]
    if not named:
        return f"elsewhere: {told}"
    if done.line is not None and done.line not in [fault.line for fault in named]:
        return f"not line {done.line}: {told}"
    return None


def test_an_untouched_store_is_found_good(sealed: Path) -> None:
    store = verify(sealed)
    assert store.faults == []
    assert [(account.stream, account.sealed, account.unsealed) for account in store.accounts] == [
        ("events", 30, 0),
        ("findings", 10, 0),
        ("notes", 0, 0),
        ("rows", 10, 0),
    ]


@pytest.mark.parametrize("name", ATTACKS)
def test_a_change_is_found_and_its_place_named(sealed: Path, tmp_path: Path, name: str) -> None:
    wrong = [attack(sealed, tmp_path / f"{seed}", name, seed) for seed in range(3)]
    assert [text for text in wrong if text] == []


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_a_thousand_random_changes_to_days_of_frames_are_all_found_and_named(tmp_path: Path) -> None:
    sealed = tmp_path / "sealed"
    write(sealed, frames=BUSY, each=7)
    names = list(ATTACKS)
    wrong = [attack(sealed, tmp_path / f"{seed}", names[seed % len(names)], seed) for seed in range(100, 100 + MANY)]
    assert [text for text in wrong if text] == []


def test_a_flipped_byte_of_any_file_is_found_or_was_in_nothing_that_is_kept(sealed: Path, tmp_path: Path) -> None:
    untouched = verify(sealed)
    found = 0
    for seed in range(40):
        folder = tmp_path / f"{seed}"
        shutil.copytree(sealed, folder)
        random = Random(seed)
        path = random.choice(sorted(folder.rglob("*.sqlite")))
        content = bytearray(path.read_bytes())
        content[random.choice([at for at, byte in enumerate(content) if byte])] ^= 0x40
        path.write_bytes(content)
        try:
            store = verify(folder)
        except StorageError:
            found += 1
            continue
        if store.faults:
            found += 1
        else:
            assert store.accounts == untouched.accounts
    assert found >= 5


def test_nothing_is_written_by_verifying(sealed: Path) -> None:
    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in sorted(sealed.rglob("*")) if path.is_file()}

    before = contents()
    sealed.chmod(0o500)
    try:
        verify(sealed)
    finally:
        sealed.chmod(0o700)
    assert contents() == before
