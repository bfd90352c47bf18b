"""Secrets stay where they belong: not in files that others can read, in logs, errors, help or the process list."""

import json
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from stream.encryption.keys import new_master
from tests.tocsin.lines import guesses, line
from tests.tocsin.program import Program
from tests.tocsin.test_cli import commands
from tocsin.access.operators import FILE, add_user, create_token
from tocsin.access.passwords import hash_password

Call = Callable[..., Result]


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A Tocsin whose data directory is encrypted, after some traffic and a proper end."""
    folder = tmp_path_factory.mktemp("encrypted")
    (folder / "master").write_text(new_master())
    (folder / "master").chmod(0o600)
    with Program(folder, {"encrypt": {"key": {"file": "master"}}}) as program:
        program.ready().post(
            [*guesses(time.time() - 50, user="https://idp.example|unmistakable-eve"), line(time.time())]
        )
        program.settled()
        add_user(
            program.data / FILE, 1.0, "ann", "viewer", tenants=("acme",), everything=False,
            password=hash_password("correct horse battery"),
        )  # fmt: skip
        create_token(program.data / FILE, time.time(), "ann", 60.0)
        program.http().get("/api/v1/me", auth=("ann", "a wrong passphrase"))
        program.settled()
        assert program.stop() == 0
    return program


def secrets_of(program: Program) -> list[str]:
    """Every secret that this Tocsin has."""
    return [
        (program.folder / "master").read_text().strip(),
        *((program.data / name).read_text().strip() for name in ("token", "first-collector-key", "entity-key")),
        "correct horse battery",
        "a wrong passphrase",
    ]


def test_nothing_in_the_data_directory_names_anybody(encrypted: Program) -> None:
    looked = [path for path in encrypted.data.rglob("*") if path.is_file()]
    assert {"alerts.sqlite", "findings.sqlite", "state.sqlite"} <= {path.name for path in looked}
    for path in looked:
        assert b"unmistakable-eve" not in path.read_bytes(), path


def test_it_verifies_without_the_master_key_and_runs_again_with_it(encrypted: Program, tocsin: Call) -> None:
    done = tocsin("verify", "--data", encrypted.data, "--json")
    assert (done.exit_code, json.loads(done.stdout)["ok"]) == (0, True), done.output
    with Program(encrypted.folder) as again:
        found = again.ready().get("/events", principal="https://idp.example|unmistakable-eve")["events"]
        assert len(found) == 40
        (incident,) = again.get("/incidents", state="all", entity="https://idp.example|unmistakable-eve")
        assert "unmistakable-eve" in json.dumps(again.get(f"/incidents/{incident['id']}"))
        assert again.stop() == 0


def test_without_its_master_key_nothing_starts_and_the_hint_says_what_is_missing(
    encrypted: Program, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text(new_master())
    settings = {"encrypt": {"key": {"file": str(other)}}, "data": str(encrypted.data)}
    config = tmp_path / "tocsin.yaml"
    config.write_text(json.dumps(settings))
    said = [sys.executable, "-m", "tocsin", "run", "--config", str(config)]
    done = subprocess.run(said, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "encrypt.previous" in done.stderr
    assert other.read_text() not in done.stderr


def test_every_file_is_for_its_owner_alone(encrypted: Program) -> None:
    for path in [encrypted.data, *encrypted.data.rglob("*")]:
        if path.suffix == ".pub":
            continue
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) & ~expected == 0, path


def test_no_secret_reaches_the_log_the_process_list_or_a_core_dump(encrypted: Program) -> None:
    with Program(encrypted.folder) as program:
        program.ready()
        limits = Path(f"/proc/{program.pid}/limits")
        assert not limits.exists() or "Max core file size        0                    0 " in limits.read_text()
        process = Path(f"/proc/{program.pid}/cmdline")
        seen = process.read_bytes().decode("utf-8", "replace") if process.exists() else ""
        program.stop()
    said = encrypted.said() + program.said() + encrypted.screen.read_text()
    assert '"message"' in said
    for secret in secrets_of(encrypted):
        assert secret not in said
        assert secret not in seen


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_no_command_takes_a_secret_as_an_argument(tocsin: Call, words: tuple[str, ...]) -> None:
    told = tocsin(*words, "--help").stdout
    for option in ("--token ", "--password ", "--secret ", "--master-key "):
        assert option not in told


def test_a_crash_writes_no_local_variables(tmp_path: Path) -> None:
    crash = tmp_path / "crash.py"
    crash.write_text(
        "import sys\nimport tocsin.client\nfrom tocsin.cli import main\n\ndef connect(*_):\n"
        "    token = ''.join(['unmistakable-', 'secret'])\n    raise RuntimeError(len(token))\n\n"
        "tocsin.client.connect = connect\nsys.argv = ['tocsin', 'search']\nmain()\n"
    )
    done = subprocess.run([sys.executable, str(crash)], capture_output=True, text=True, check=False, timeout=60)
    assert "RuntimeError: 19" in done.stderr
    assert "unmistakable-secret" not in done.stderr


def test_check_warns_where_nothing_is_encrypted(tocsin: Call) -> None:
    assert "encrypt: is not set" in tocsin("check").stdout
    Path("tocsin.yaml").write_text("encrypt: {key: {file: master}}\n")
    missing = tocsin("check")
    assert missing.exit_code == 2
    assert "tocsin.yaml:1: encrypt.key" in missing.stderr
    assert tocsin("keys", "master", "master").exit_code == 0
    assert stat.S_IMODE(Path("master").stat().st_mode) == 0o600
    assert tocsin("keys", "master", "master").exit_code == 1, "never overwritten"
    fine = tocsin("check")
    assert fine.exit_code == 0
    assert "encrypt:" not in fine.stdout
    Path("master").write_text("short\n")
    wrong = tocsin("check")
    assert wrong.exit_code == 2
    assert "32 random bytes" in wrong.stderr
    assert "short" not in wrong.stderr
