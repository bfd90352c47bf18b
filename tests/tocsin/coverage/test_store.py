"""What is kept of coverage: nothing of it in plain where it is encrypted, and none of it for longer than is said."""

from pathlib import Path

from stream.coverage import Counts, Covered, Mode, Watched
from stream.encryption.crypt import Crypt
from stream.encryption.keys import KeyRing, Master, new_master
from tocsin.coverage.store import DAY, FILE, CoverageStore, Kept

COVERED = Covered(300, 400.0, (Counts(300, "key-of-acme", "gateway-of-acme", 5, tenants={"acme": 5}),))
WATCHED = Watched(0.0, 400.0, {"failed_auth": "1.0"}, modes=(Mode("failed_auth", "acme", "observe"),))


def put(store: CoverageStore, *records: Covered | Watched) -> None:
    store.put((), records, Kept(7, b"what is open of acme"))


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob(f"{FILE}*"))


def test_nothing_of_it_lies_on_the_disk_in_plain_and_all_of_it_comes_back(tmp_path: Path) -> None:
    crypt = Crypt(KeyRing(tmp_path, Master(new_master())), 0.0)
    store = CoverageStore(tmp_path / FILE, crypt)
    store.put([COVERED], [WATCHED], Kept(7, b"what is open of acme"))
    assert b"acme" not in written(tmp_path)
    assert b"failed_auth" not in written(tmp_path)
    store.close()
    again = CoverageStore(tmp_path / FILE, crypt)
    assert again.kept() == Kept(7, b"what is open of acme")
    assert again.untold() == [COVERED]
    assert list(again.covered(0, 1e9)) == [COVERED]
    assert list(again.watched(0, 1e9)) == [WATCHED]
    again.close()


def test_without_encryption_it_lies_there_in_plain(tmp_path: Path) -> None:
    store = CoverageStore(tmp_path / FILE)
    put(store, COVERED)
    store.close()
    assert b"gateway-of-acme" in written(tmp_path), "else the test above shows nothing"


def test_what_is_older_than_is_kept_goes_and_what_the_log_lacks_stays(tmp_path: Path) -> None:
    store = CoverageStore(tmp_path / FILE, days=30)
    old = Covered(600, 700.0)
    put(store, COVERED, WATCHED)
    store.put([old], (), Kept(8, b""))
    late = Covered(int(31 * DAY) // 300 * 300, 31 * DAY)
    put(store, late)
    assert list(store.covered(0, 1e9)) == [old, late], "the log does not hold the old one yet"
    assert list(store.watched(0, 1e9)) == []
    store.told([old.cell])
    put(store, late)
    assert list(store.covered(0, 1e9)) == [late]
    assert b"gateway-of-acme" not in (tmp_path / FILE).read_bytes()
    store.close()


def test_what_another_version_wrote_is_read_from_the_log_again(tmp_path: Path) -> None:
    store = CoverageStore(tmp_path / FILE)
    put(store, COVERED)
    store._connection.execute("UPDATE place SET version = 1")
    assert store.kept() is None
    store.close()
