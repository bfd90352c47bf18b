"""A backup of a running Tocsin restores to one that verifies and goes on; what is not one is refused."""

import json
import shutil
import stat
import tarfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from typer.testing import Result

from stream.encryption.keys import Master, new_master
from stream.errors import ConfigError, DamagedError, StorageError
from tests.tocsin.lines import guesses, line
from tests.tocsin.program import Program
from tocsin.backup.archive import Head, Writer, compressed
from tocsin.backup.backing_up import back_up
from tocsin.backup.restoring import restore

Call = Callable[..., Result]


def test_a_running_tocsin_is_backed_up_restored_verified_and_goes_on(tmp_path: Path, tocsin: Call) -> None:
    out = tmp_path / "all.backup"
    with Program(tmp_path / "program") as program:
        program.ready().post(guesses(time.time() - 50))
        program.settled()
        before = program.get("/incidents", state="all")
        config = ("--config", program.config)
        done = tocsin("backup", "--out", out, *config, "--data", program.data, "--json")
        assert done.exit_code == 0, done.output
        # What came after is not in it, and does it no harm.
        program.post([line(time.time(), id="after")])
        program.settled()
        program.stop()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    again = tmp_path / "again" / "data"
    done = tocsin("restore", out, "--data", again)
    assert done.exit_code == 0, done.output
    verified = tocsin("verify", "--data", again, "--json")
    assert (verified.exit_code, json.loads(verified.stdout)["ok"]) == (0, True), verified.output
    with Program(tmp_path / "again") as restored:
        restored.ready().settled()
        assert restored.get("/events", id="after")["events"] == []
        assert len(restored.get("/events", principal="victim", limit=1000)["events"]) == 40
        after = restored.get("/incidents", state="all")
        assert [(one["id"], one["severity"]) for one in after] == [(one["id"], one["severity"]) for one in before]
        restored.post([line(time.time(), id="new")])
        restored.settled()
        assert len(restored.get("/events", id="new")["events"]) == 1
        assert restored.stop() == 0
    verified = tocsin("verify", "--data", again, "--json")
    assert verified.exit_code == 0, verified.output


@pytest.fixture
def data(tmp_path: Path, tocsin: Call) -> Path:
    """A data directory with a little history."""
    lines = tmp_path / "lines"
    lines.write_text("\n".join(json.dumps(one) for one in guesses(1_790_000_000.0)))
    folder = tmp_path / "data"
    assert tocsin("import", lines, "--data", folder).exit_code == 0
    (folder / "token").write_text("unmistakable-token")
    return folder


def test_nothing_is_ever_overwritten(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "out"
    out.write_text("precious")
    with pytest.raises(StorageError, match="already"):
        back_up(data, out, 1.0, None)
    assert out.read_text() == "precious"
    back_up(data, tmp_path / "good", 1.0, None)
    with pytest.raises(StorageError, match="already"):
        restore(tmp_path / "good", data)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".", "good"))) == ["good"]


def test_an_encrypted_one_tells_nothing_and_needs_its_master_key(tmp_path: Path, data: Path) -> None:
    master, other = Master(new_master()), Master(new_master())
    out = tmp_path / "out"
    assert back_up(data, out, 1.0, master).encrypted
    assert b"unmistakable-token" not in out.read_bytes()
    for wrong in ((), (other,)):
        with pytest.raises(ConfigError, match=master.id):
            restore(out, tmp_path / "new", wrong)
    restore(out, tmp_path / "new", (other, master))
    assert (tmp_path / "new" / "token").read_text() == "unmistakable-token"
    assert not (tmp_path / "new" / "lock").exists()


@pytest.mark.parametrize("encrypted", [False, True])
def test_one_that_was_cut_or_changed_is_refused_and_leaves_nothing(tmp_path: Path, data: Path, encrypted: bool) -> None:
    master = Master(new_master())
    out, bad, new = tmp_path / "out", tmp_path / "bad", tmp_path / "new"
    back_up(data, out, 1.0, master if encrypted else None)
    whole = out.read_bytes()
    head = whole.index(b"\n")
    cuts = [whole[:at] for at in (0, 10, head, head + 1, head + 9, len(whole) // 2, len(whole) - 1)]
    places = range(head + 1, len(whole), max(1, len(whole) // 60))
    flips = [whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :] for at in places]
    for content in [*cuts, *flips]:
        bad.write_bytes(content)
        try:
            restore(bad, new, (master,))
        except (DamagedError, ConfigError):
            assert not new.exists()
        else:
            # A bit that says nothing: all that counts came back as it was.
            assert not encrypted
            assert content in flips
            assert (new / "token").read_text() == "unmistakable-token"
            shutil.rmtree(new)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "a/b/c", "..", "."])
def test_a_name_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    evil = tmp_path / "deep" / "evil"
    evil.parent.mkdir()
    with evil.open("wb") as file:
        writer = Writer(file, Head(made="now", by="eve"), None)
        with compressed(writer) as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
            info = tarfile.TarInfo(name)
            info.size = 1
            tar.addfile(info, BytesIO(b"x"))
        writer.close()
    with pytest.raises(DamagedError):
        restore(evil, tmp_path / "deep" / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert [path.name for path in evil.parent.iterdir()] == ["evil"]


def test_a_link_in_it_is_refused(tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    with evil.open("wb") as file:
        writer = Writer(file, Head(made="now", by="eve"), None)
        with compressed(writer) as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
            info = tarfile.TarInfo("token")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
        writer.close()
    with pytest.raises(DamagedError):
        restore(evil, tmp_path / "new")


def test_what_is_no_data_directory_and_no_backup_is_told(tmp_path: Path, tocsin: Call) -> None:
    assert "there is no log here" in tocsin("backup", "--out", "x", "--data", "nowhere").stderr
    assert not Path("x.part").exists()
    Path("noise").write_bytes(b"\x00\xff" * 100)
    assert "is no backup" in tocsin("restore", "noise", "--data", "new").stderr
    assert tocsin("restore", "nothing", "--data", "new").exit_code == 1
