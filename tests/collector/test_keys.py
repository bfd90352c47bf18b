"""Keys are shown once, kept as hashes, and stop working when they are revoked."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.keys import Keys, create_key, list_keys, revoke_key, rotate_key
from stream.errors import ConfigError, StorageError


def test_a_key_is_found_by_its_text_and_by_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key, text = create_key(path, 1.0, tenants=["acme"], note="gateway")
    keys = Keys(path)
    assert keys.find(text) == key
    other = create_key(path, 2.0)[1]
    mixed = "_".join([*text.split("_")[:2], other.split("_")[2]])
    for wrong in (text[:-1], text + "0", text.upper(), mixed, "", "tcs", "tcs_", f"tcs_{key.id}_{key.hash}", "\udcff"):
        assert keys.find(wrong) is None


def test_the_file_holds_no_secret_and_is_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    _, text = create_key(path, 1.0)
    assert text.split("_")[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_for_one_tenant_has_it_as_its_default(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    assert create_key(path, 1.0, tenants=["acme"])[0].tenant == "acme"
    assert create_key(path, 1.0, tenants=["acme", "globex"])[0].tenant is None
    assert create_key(path, 1.0, tenants=["acme", "globex"], tenant="globex")[0].tenant == "globex"
    with pytest.raises(ConfigError, match="not among"):
        create_key(path, 1.0, tenants=["acme"], tenant="globex")


def test_a_change_is_seen_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = Keys(path)
    assert keys.find("tcs_a_b") is None
    key, text = create_key(path, 1.0)
    found = keys.find(text)
    assert found is not None
    assert found.revoked is None
    assert revoke_key(path, key.id, 5.0).revoked == 5.0
    found = keys.find(text)
    assert found is not None
    assert found.revoked == 5.0
    assert revoke_key(path, key.id, 9.0).revoked == 5.0


def test_an_unknown_key_cannot_be_revoked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no collector key"):
        revoke_key(tmp_path / "keys.json", "nobody", 1.0)


def test_keys_made_at_once_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with ThreadPoolExecutor(8) as pool:
        made = {key.id for key, _ in pool.map(lambda now: create_key(path, float(now)), range(16))}
    assert {key.id for key in list_keys(path)} == made


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text("{")
    with pytest.raises(StorageError, match="cannot be read") as caught:
        list_keys(path)
    assert caught.value.where == str(path)
    with pytest.raises(StorageError, match="cannot be read"):
        Keys(path).find("tcs_a_b")


def test_a_key_that_follows_may_do_the_same_and_the_old_one_ends_after_the_overlap(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    old, old_text = create_key(path, 1.0, tenants=["acme"], servers=["crm"], producers=["gw"], note="gateway")
    new, text = rotate_key(path, old.id, 10.0, 60.0)
    assert (new.tenants, new.tenant, new.servers, new.producers, new.note) == (
        old.tenants, old.tenant, old.servers, old.producers, old.note,
    )  # fmt: skip
    found, gone = Keys(path).find(text), Keys(path).find(old_text)
    assert found is not None
    assert gone is not None
    assert (gone.good(69.9), gone.good(70.0), found.good(1e12)) == (True, False, True)
    assert new.scope == old.scope == old.id
    third, _ = rotate_key(path, new.id, 100.0, 0.0)
    assert third.scope == old.id
    with pytest.raises(ConfigError, match="still holds"):
        rotate_key(path, new.id, 101.0, 0.0)
    assert revoke_key(path, third.id, 200.0).revoked == 200.0


def test_revoking_ends_an_overlap_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    old, _ = create_key(path, 1.0)
    rotate_key(path, old.id, 10.0, 1e6)
    assert revoke_key(path, old.id, 20.0).revoked == 20.0
