"""The ledger of a running Tocsin: what is in it, what it proves to whom, and what a crash does to it."""

import base64
import json
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from stream.ledger.file import FILE, Ledger
from stream.ledger.sealer import Sealer
from stream.ledger.signing import FILE as KEY
from stream.ledger.signing import kept_keys
from stream.sqlite import open_log
from tests.house import ROOT
from tests.tocsin.lines import guesses, line
from tests.tocsin.program import DiedError, Program, until
from tocsin.commands import verify

Call = Callable[..., Result]
SETTINGS: dict[str, Any] = {
    "sinks": {"screen": {"type": "terminal"}},
    "ledger": {
        "seal_seconds": 0.3,
        "anchor_seconds": 1,
        "anchors": {"vault": {"type": "file", "path": "vault.ndjson"}},
    },
}


def sealed(program: Program) -> None:
    """Wait until everything that is there now has been sealed and shown to the anchor."""
    program.settled()
    before = program.get("/status")["ledger"]["seals"]
    until(lambda: program.get("/status")["ledger"]["anchors"]["vault"]["size"] > before, "the checkpoint is anchored")


def lived(folder: Path) -> Path:
    """A data directory in which an attack was noticed, besides ordinary work of others."""
    now = time.time()
    with Program(folder, SETTINGS) as program:
        program.ready()
        until(lambda: program.get("/status")["ledger"]["anchors"]["vault"]["size"], "a checkpoint is older than all")
        program.post([line(now + at, user=f"colleague{at}", id=f"work-{at}") for at in range(20)])
        program.post([*guesses(now - 60), line(now, user="bystander", id="the-bystander")])
        until(lambda: program.get("/incidents"), "there is an incident")
        sealed(program)
        assert program.stop() == 0, program.said()
    return program.data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lived(tmp_path_factory.mktemp("lived"))


def verified(tocsin: Call, *words: object) -> dict[str, Any]:
    done = tocsin("verify", *words, "--json")
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == (0 if told["ok"] else 1)
    return told


def an_incident(data: Path) -> str:
    with closing(sqlite3.connect(data / "alerts.sqlite")) as connection:
        return str(connection.execute("SELECT id FROM incidents").fetchone()[0])


def test_everything_is_sealed_when_it_ends(tocsin: Call, data: Path) -> None:
    told = verified(tocsin, data, "--public-key", data / "ledger.pub", "--checkpoint", data.parent / "vault.ndjson")
    assert told["ok"], told["faults"]
    streams = {one["stream"]: one for one in told["ledger"]["streams"]}
    assert set(streams) == {"events", "findings", "notes", "timeline", "decisions", "alerts"}
    for name, one in streams.items():
        assert one["sealed"] > 0, name
        assert one["unsealed"] == 0, name
    assert told["ledger"]["not_looked_at"] == []


def test_it_verifies_while_it_runs(tocsin: Call, tmp_path: Path) -> None:
    with Program(tmp_path / "running", SETTINGS) as program:
        program.ready()
        for round_ in range(5):
            program.post([line(time.time(), id=f"{round_}-{at}") for at in range(20)])
            assert verified(tocsin, program.data)["ok"]
        sealed(program)
        assert program.get("/status")["ledger"]["anchors"]["vault"]["problem"] is None


def test_an_older_copy_in_its_place_shows_by_an_anchored_checkpoint_alone(tocsin: Call, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    with Program(folder, SETTINGS) as program:
        program.ready()
        program.post([line(time.time())])
        sealed(program)
        assert program.stop() == 0
    copy = shutil.copytree(program.data, tmp_path / "older")
    with Program(folder, SETTINGS) as program:
        program.ready()
        program.post([line(time.time())])
        sealed(program)
        assert program.stop() == 0
    assert verified(tocsin, copy)["ok"]
    (fault,) = verified(tocsin, copy, "--checkpoint", folder / "vault.ndjson")["faults"]
    assert "anchored" in fault["what"]
    assert "cut off" in fault["what"]


def test_a_changed_decision_is_found(tocsin: Call, data: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(data, tmp_path / "copy")
    with closing(sqlite3.connect(copy / "alerts.sqlite")) as connection, connection:
        number = connection.execute("SELECT max(id) FROM decisions").fetchone()[0]
        connection.execute("UPDATE decisions SET reason = 'silenced' WHERE id = ?", (number,))
    (fault,) = verified(tocsin, copy)["faults"]
    assert (Path(fault["file"]).name, fault["offset"]) == ("alerts.sqlite", number)


def test_another_key_is_not_believed(tocsin: Call, data: Path, tmp_path: Path) -> None:
    assert tocsin("keys", "signing", "rotate", "--data", "other").exit_code == 0
    told = verified(tocsin, data, "--public-key", "other/ledger.pub")
    assert "none of the known keys" in told["faults"][0]["what"]


def test_an_incidents_evidence_shows_nobody_else(tocsin: Call, data: Path) -> None:
    done = tocsin("verify", data, "--incident", an_incident(data), "--export", "proof", "--json")
    assert done.exit_code == 0, done.output
    text = Path("proof").read_text()
    assert "colleague" not in text
    assert "bystander" not in text
    told = verified(tocsin, "proof", "--public-key", data / "ledger.pub")
    assert told["ok"]
    assert {one["stream"] for one in told["shown"]} == {"events", "findings", "timeline", "decisions", "alerts"}
    events = [json.loads(one["text"]) for one in told["shown"] if one["stream"] == "events"]
    assert events
    assert {event["reason"] for event in events} == {"bad password"}


def test_a_changed_proof_is_told_with_its_line(tocsin: Call, data: Path) -> None:
    assert tocsin("verify", data, "--event", "the-bystander", "--export", "proof").exit_code == 0
    good = Path("proof").read_text().splitlines()
    assert len(good) == 4
    for number, (old, new) in enumerate(
        [("\\n", "0\\n"), ('\\"number\\":', '\\"number\\": '), ("events/0", "events/1"), ("bystander", "nobody")], 1
    ):
        changed = [*good[: number - 1], good[number - 1].replace(old, new, 1), *good[number:]]
        assert changed != good
        Path("changed").write_text("\n".join(changed) + "\n")
        told = verified(tocsin, "changed", "--public-key", data / "ledger.pub")
        assert told["where"].endswith(f"line {number}"), told
        script = [str(ROOT / "docs/check-proof.sh"), "changed", str(data / "ledger.pub")]
        assert subprocess.run(script, check=False, capture_output=True).returncode == 1
    for number in range(len(good)):
        Path("changed").write_text("\n".join([*good[:number], *good[number + 1 :]]) + "\n")
        assert not verified(tocsin, "changed", "--public-key", data / "ledger.pub")["ok"]


@pytest.mark.skipif(shutil.which("jq") is None or shutil.which("xxd") is None, reason="needs jq and xxd")
def test_a_shell_script_proves_the_same_without_tocsin(tocsin: Call, data: Path) -> None:
    assert tocsin("verify", data, "--event", "the-bystander", "--event", "work-7", "--export", "proof").exit_code == 0
    script = [str(ROOT / "docs/check-proof.sh"), "proof", str(data / "ledger.pub")]
    done = subprocess.run(script, check=True, capture_output=True, text=True)
    assert {json.loads(text)["id"] for text in done.stdout.splitlines()} == {"the-bystander", "work-7"}


def test_a_proof_shows_that_it_goes_on_from_a_checkpoint_that_its_reader_has(tocsin: Call, data: Path) -> None:
    anchored = (data.parent / "vault.ndjson").read_text().splitlines()
    Path("mine").write_text(anchored[0])
    words = ("--event", "the-bystander", "--export")
    assert tocsin("verify", data, *words, "without").exit_code == 0
    assert tocsin("verify", data, *words, "with", "--checkpoint", "mine").exit_code == 0
    key = ("--public-key", data / "ledger.pub", "--checkpoint", "mine")
    assert verified(tocsin, "with", *key)["ok"]
    assert "does not show" in verified(tocsin, "without", *key)["what"]


def test_what_is_sealed_while_a_proof_is_made_does_not_spoil_it(
    tocsin: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(data, tmp_path / "copy")
    check = verify._verified

    def while_sealing_goes_on(*asked: Any) -> Any:
        found = check(*asked)
        name = kept_keys(copy / KEY)[0].verifier.name
        with Ledger(copy / FILE, name) as ledger, open_log(copy, reserve_bytes=0) as log:
            Sealer(ledger, log, [], lambda: kept_keys(copy / KEY), time.time).note("drill")
        return found

    monkeypatch.setattr(verify, "_verified", while_sealing_goes_on)
    assert tocsin("verify", copy, "--event", "the-bystander", "--export", "proof").exit_code == 0
    assert verified(tocsin, "proof", "--public-key", data / "ledger.pub")["ok"]


def test_what_is_not_there_cannot_be_exported(tocsin: Call, data: Path) -> None:
    for words in (
        ("--event", "nothing"),
        ("--incident", "nothing"),
        ("--since", "2001-01-01", "--until", "2001-01-02"),
    ):
        done = tocsin("verify", data, *words, "--export", "proof")
        assert (done.exit_code, Path("proof").exists()) == (1, False), done.output


def test_a_key_is_rotated_with_overlap_and_old_and_new_auditors_verify(tocsin: Call, tmp_path: Path) -> None:
    folder = tmp_path / "turning"

    def run() -> None:
        with Program(folder, SETTINGS) as program:
            program.ready()
            program.post([line(time.time())])
            sealed(program)
            assert program.stop() == 0

    run()
    data = folder / "data"
    assert tocsin("keys", "signing", "export", "--to", "old", "--data", data).exit_code == 0
    assert tocsin("keys", "signing", "rotate", "--data", data).exit_code == 0
    early = tocsin("keys", "signing", "retire", "--data", data)
    assert (early.exit_code, "word for the new one" in early.output) == (1, True)
    run()
    assert tocsin("keys", "signing", "retire", "--data", data).exit_code == 0
    run()
    assert tocsin("keys", "signing", "export", "--to", "new", "--data", data).exit_code == 0
    assert Path("old").read_text() != Path("new").read_text()
    for key in ("old", "new"):
        told = verified(tocsin, data, "--public-key", key, "--checkpoint", folder / "vault.ndjson")
        assert told["ok"], told
        assert len(told["ledger"]["keys"]) == 2
    (shown,) = json.loads(tocsin("keys", "signing", "show", "--data", data, "--json").stdout)
    assert shown["key"] == Path("new").read_text().strip()


def test_what_is_encrypted_is_verified_without_its_key_and_proved_with_it(tocsin: Call, tmp_path: Path) -> None:
    folder = tmp_path / "hidden"
    folder.mkdir()
    (folder / "master").write_text(base64.b64encode(bytes(range(32))).decode())
    with Program(folder, {**SETTINGS, "encrypt": {"key": {"file": "master"}}}) as program:
        program.ready()
        program.post([line(time.time(), id="mine"), line(time.time(), id="not-mine")])
        sealed(program)
        assert program.stop() == 0
    assert verified(tocsin, program.data, "--public-key", program.data / "ledger.pub")["ok"]
    words = ("verify", program.data, "--event", "mine", "--export", "proof", "--config")
    assert tocsin(*words, program.config).exit_code == 0
    told = verified(tocsin, "proof", "--public-key", program.data / "ledger.pub")
    assert [json.loads(one["text"])["id"] for one in told["shown"]] == ["mine"]
    assert "not-mine" not in Path("proof").read_text()


@pytest.mark.crash
@pytest.mark.parametrize("point", ["ledger.before_seal", "ledger.after_seal", "ledger.after_checkpoint"])
def test_killed_around_a_seal_nothing_is_lost_or_sealed_twice(tocsin: Call, tmp_path: Path, point: str) -> None:
    folder = tmp_path / "killed"
    with Program(folder, SETTINGS, crash_at=f"{point}:4") as program:
        try:
            for number in range(200):
                program.post([line(time.time(), id=f"before-{number}")])
        except DiedError:
            pass
        until(lambda: program.died is not None, "it dies at the point")
    assert verified(tocsin, program.data)["ok"]
    with Program(folder, SETTINGS) as program:
        program.ready()
        program.post([line(time.time(), id="after")])
        sealed(program)
        assert program.stop() == 0
    told = verified(tocsin, program.data, "--checkpoint", folder / "vault.ndjson")
    assert told["ok"], told["faults"]
    assert {one["stream"]: one["unsealed"] for one in told["ledger"]["streams"]}["events"] == 0


def test_a_ledger_that_was_lost_is_not_begun_anew_under_the_same_key(tmp_path: Path) -> None:
    folder = tmp_path / "lost"
    with Program(folder, SETTINGS) as program:
        sealed(program.ready())
        assert program.stop() == 0
    (program.data / FILE).unlink()
    with Program(folder, SETTINGS) as again, pytest.raises(DiedError, match="not the ledger that was last seen"):
        again.listening()


def test_the_signing_key_is_for_its_owner_alone_and_in_no_log(data: Path) -> None:
    key = data / "ledger-key"
    assert key.stat().st_mode & 0o777 == 0o600
    secret = key.read_text().split("+")[-1].strip()
    for path in data.parent.rglob("*"):
        assert path == key or not path.is_file() or secret.encode() not in path.read_bytes(), path
