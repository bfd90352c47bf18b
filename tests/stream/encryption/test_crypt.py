"""Encryption at rest: what is stored tells nothing, is what was written or is refused, and outlives its master key."""

import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.encryption.carried import CarriedKeys
from stream.encryption.columns import Columns
from stream.encryption.crypt import Crypt
from stream.encryption.keys import DAY, FILE, TENANT_PERIOD, KeyRing, Master, new_master
from stream.errors import ConfigError, DamagedError, StorageError
from stream.frame import Frame, Header, pack, unpack
from stream.ledger.chain import verify_chain
from stream.log import EVENTS, FINDINGS, Snapshot
from stream.sqlite import open_log
from tocsin_audit.event import AuditEvent

SECRET = b'{"user":"https://idp.example|very-secret-alice"}'


@pytest.fixture
def master() -> Master:
    return Master(new_master())


@pytest.fixture
def crypt(tmp_path: Path, master: Master) -> Crypt:
    return Crypt(KeyRing(tmp_path, master), 0.0)


def frame(payload: bytes = SECRET, received: float = 5.0) -> Frame:
    return pack(Header(received=received, count=1, source="key"), payload)


@given(payload=st.binary(min_size=1, max_size=200), codec=st.sampled_from(["zstd", "none"]))
def test_what_was_sealed_opens_as_it_was(payload: bytes, codec: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    crypt = Crypt(KeyRing(tmp_path_factory.mktemp("ring"), Master("00" * 32)), 0.0)
    header = Header(received=5.0, count=1, codec="zstd" if codec == "zstd" else "none")
    sealed = crypt.sealed(pack(header, payload))
    assert unpack(sealed) == payload
    assert crypt.open("state", "a", crypt.seal("state", "a", payload)) == payload


def test_one_flipped_bit_or_a_foreign_header_is_refused(crypt: Crypt) -> None:
    sealed = crypt.sealed(frame())
    for at in range(len(sealed.payload)):
        bad = bytearray(sealed.payload)
        bad[at] ^= 1
        with pytest.raises(DamagedError):
            unpack(Frame(sealed.header, bytes(bad), None, crypt))
    moved = msgspec.structs.replace(sealed.header, received=6.0)
    with pytest.raises(DamagedError):
        unpack(Frame(moved, sealed.payload, None, crypt))
    with pytest.raises(DamagedError):
        crypt.open("state", "b", crypt.seal("state", "a", b"x"))


def test_without_the_key_it_says_what_to_do(crypt: Crypt) -> None:
    sealed = crypt.sealed(frame())
    sealed.keys = None
    with pytest.raises(DamagedError, match="encrypted") as caught:
        unpack(sealed)
    assert "encrypt:" in caught.value.hint


def test_nothing_of_a_log_lies_on_the_disk_in_plain_and_all_of_it_comes_back(tmp_path: Path, master: Master) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with open_log(data, reserve_bytes=0, crypt=Crypt(KeyRing(data, master), 0.0)) as log:
        for stream in (EVENTS, FINDINGS):
            header = Header(received=5.0, count=1, first=5.0, last=5.0, codec="none")
            log.append(stream, Frame(header, SECRET)).result()
        log.save(Snapshot("detect", 1, 1, SECRET, {"bucket": SECRET}))
        (live,) = log.read(EVENTS, 0)
        assert unpack(live.frame) == SECRET
    for path in data.rglob("*"):
        assert path.is_dir() or b"very-secret" not in path.read_bytes(), path
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert all(chain.fault is None for chain in verify_chain(data)), "the chain needs no key"
    with open_log(data, reserve_bytes=0, crypt=Crypt(KeyRing(data, master), 0.0)) as log:
        for stream in (EVENTS, FINDINGS):
            (record,) = log.read(stream, 0)
            assert unpack(record.frame) == SECRET
        (found,) = log.within(EVENTS, 0.0, 10.0)
        assert unpack(found.frame) == SECRET
        snapshot = log.load("detect")
        assert snapshot is not None
        assert (snapshot.meta, snapshot.buckets) == (SECRET, {"bucket": SECRET})


def test_what_was_written_before_there_was_encryption_can_be_read(tmp_path: Path, master: Master) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        log.append(EVENTS, frame()).result()
        log.save(Snapshot("detect", 1, 1, b"meta", {"bucket": b"old"}))
    with open_log(tmp_path, reserve_bytes=0, crypt=Crypt(KeyRing(tmp_path, master), 0.0)) as log:
        assert unpack(log.read(EVENTS, 0)[0].frame) == SECRET
        snapshot = log.load("detect")
        assert snapshot is not None
        assert snapshot.buckets == {"bucket": b"old"}


def test_each_purpose_has_a_data_key_of_its_own_and_a_new_one_each_day(tmp_path: Path, master: Master) -> None:
    ring = KeyRing(tmp_path, master)
    first = ring.current("events", 10.0)
    assert ring.current("events", 10.0 + DAY - 1) == first
    assert ring.current("findings", 10.0) != first
    second = ring.current("events", 10.0 + DAY)
    assert second != first
    assert KeyRing(tmp_path, master).current("events", 11.0 + DAY) == second
    assert ring.key(first) != ring.key(second)


def test_a_new_master_wraps_the_data_keys_anew_and_the_old_one_is_not_needed_again(
    tmp_path: Path, master: Master
) -> None:
    sealed = Crypt(KeyRing(tmp_path, master), 0.0).sealed(frame())
    after = Master(new_master())
    with pytest.raises(ConfigError, match=master.id):
        KeyRing(tmp_path, after)
    KeyRing(tmp_path, after, (master,))
    sealed.keys = Crypt(KeyRing(tmp_path, after), 0.0)
    assert unpack(sealed) == SECRET
    with pytest.raises(ConfigError, match=after.id):
        KeyRing(tmp_path, master)


def test_the_ring_holds_no_key_in_plain_and_is_for_its_owner(tmp_path: Path, master: Master) -> None:
    ring = KeyRing(tmp_path, master)
    key = ring.key(ring.current("events", 1.0))
    kept = (tmp_path / FILE).read_bytes()
    assert key not in kept
    assert key.hex().encode() not in kept
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert master.id in repr(master)
    with pytest.raises(StorageError, match="no data key"):
        ring.key("0" * 16)


@pytest.mark.parametrize("text", ["", "x", "00" * 31, "00" * 33, "é" * 44, "A" * 44])
def test_a_text_that_is_no_master_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Master(text)
    assert not text or len(text) < 2 or text not in str(caught.value)


def test_a_damaged_ring_says_so(tmp_path: Path, master: Master) -> None:
    (tmp_path / FILE).write_text("{\n")
    with pytest.raises(StorageError, match="cannot be read"):
        KeyRing(tmp_path, master)


def test_a_key_that_a_crash_cut_short_is_forgotten_and_the_others_stay(tmp_path: Path, master: Master) -> None:
    kept = KeyRing(tmp_path, master).current("events", 1.0)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"id":"half')
    again = KeyRing(tmp_path, master)
    assert again.current("events", 2.0) == kept
    new = again.current("findings", 2.0)
    assert KeyRing(tmp_path, master).key(new) == again.key(new)


def about(*tenants: str | None) -> Frame:
    events = [AuditEvent(time=5.0, server="s", method="m", tenant=tenant) for tenant in tenants]
    packed = frame()
    return Frame(packed.header, packed.payload, events)


def test_what_is_all_about_one_tenant_is_under_a_key_of_its_own(tmp_path: Path, master: Master) -> None:
    ring = KeyRing(tmp_path, master)
    crypt = Crypt(ring, 0.0)
    ids = [crypt.sealed(one).header.key_id for one in (about("a"), about("b", "b"), about("a", "a"), about("a", "b"))]
    assert ids[0] == ids[2]
    assert len(set(ids)) == 3
    assert crypt.sealed(about(None)).header.key_id == ids[3], "what is of no tenant, or of several, shares one"
    lines = b"\n".join(b'{"id":"%d","tenant":"a"}' % number for number in range(2))
    finding = pack(Header(received=5.0, count=2, content="findings"), lines)
    assert ring.current("findings", 5.0, "a") == crypt.sealed(finding).header.key_id


def test_a_tenants_key_lasts_a_month_and_outlives_a_new_master(tmp_path: Path, master: Master) -> None:
    ring = KeyRing(tmp_path, master)
    first = ring.current("events", 0.0, "a")
    assert ring.current("events", TENANT_PERIOD - 1, "a") == first
    second = ring.current("events", TENANT_PERIOD, "a")
    assert second != first
    plain = ring.key(first)
    after = Master(new_master())
    again = KeyRing(tmp_path, after, (master,))
    assert again.key(first) == plain
    assert again.current("events", TENANT_PERIOD, "a") == second


def test_names_that_anybody_makes_up_do_not_grow_the_ring_without_bound(
    tmp_path: Path, master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.encryption.keys.TENANTS", 8)
    monkeypatch.setattr("stream.encryption.carried.TENANTS", 8)
    for ring in (KeyRing(tmp_path, master), CarriedKeys(master)):
        ids = {ring.current("events", 5.0, f"made up {number}") for number in range(100)}
        assert len(ids) == 9
        assert ring.current("events", 5.0, "made up 0") in ids, "those who were first keep theirs"
        assert ring.current("events", 5.0, "made up 99") == ring.current("events", 5.0)


def test_the_first_key_of_a_purpose_lasts(tmp_path: Path, master: Master) -> None:
    ring = KeyRing(tmp_path, master)
    first = ring.lasting("names")
    assert ring.current("names", 100 * DAY) != first
    assert KeyRing(tmp_path, master).lasting("names") == first


@given(text=st.text(max_size=50))
def test_values_that_are_looked_for_look_equal_and_others_do_not(text: str) -> None:
    crypt = Crypt(CarriedKeys(Master("00" * 32)), 0.0)
    one, other = Columns(crypt, b"a"), Columns(crypt, b"b")
    assert one.told(one.named(text)) == text
    assert one.named(text) == Columns(crypt, b"a").named(text)
    assert not text or one.named(text) != other.named(text)
    assert one.opened("t.c", one.sealed("t.c", text)) == text
    assert one.sealed("t.c", text) != one.sealed("t.c", text)
    with pytest.raises(DamagedError):
        one.opened("t.other", one.sealed("t.c", text))


def test_a_tick_alone_makes_a_data_key_old(tmp_path: Path, master: Master) -> None:
    crypt = Crypt(KeyRing(tmp_path, master), 0.0)
    before = crypt.seal("state", "a", b"x")
    crypt.sealed(Frame(Header(received=DAY, content="tick", codec="none"), b""))
    after = crypt.seal("state", "a", b"x")
    assert before[:21] != after[:21]
    assert crypt.open("state", "a", before) == crypt.open("state", "a", after) == b"x"
