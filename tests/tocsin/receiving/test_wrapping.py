"""`tocsin wrap` as a process: in a server's place, and in a client's configuration."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.house import ROOT
from tests.tocsin.program import until
from tocsin.receiving.wrapping import name_of, read_env

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"


@pytest.fixture(autouse=True)
def wrap_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "TOCSIN_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setitem(ENVIRONMENT, "XDG_CONFIG_HOME", str(tmp_path / "config"))


def wrap(*words: str, **said: Any) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "tocsin", "wrap", *words]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, timeout=60, check=False, **said)


def started(*words: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tocsin", "wrap", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=pipe)


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_bytes_pass_as_they_are_whatever_they_are(tmp_path: Path) -> None:
    data = os.urandom(300_000) + b"\n" + b"x" * 6_000_000 + b"\r\n\r\n\x00half a line"
    done = wrap("--events", str(tmp_path / "e"), "--", sys.executable, "-c", ECHO, input=data)
    assert (done.returncode, done.stdout == data) == (0, True)


def test_a_piece_of_a_line_passes_before_the_line_is_whole() -> None:
    code = "import os\nwhile d := os.read(0, 99): os.write(1, d.upper())"
    with started("--", sys.executable, "-c", code) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for piece in (b"ab", b"c", b"d\n"):
            os.write(process.stdin.fileno(), piece)
            assert os.read(process.stdout.fileno(), 99) == piece.upper()
        process.stdin.close()
        assert process.wait(30) == 0


def test_the_exit_code_and_standard_error_are_the_servers() -> None:
    done = wrap("--", sys.executable, "-c", "import sys; sys.stderr.write('mine'); sys.exit(7)")
    assert done.returncode == 7
    assert done.stderr.endswith(b"mine")
    assert b"not audited" in done.stderr


def test_a_server_that_a_signal_ends_looks_like_one() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert wrap("--", sys.executable, "-c", code).returncode == -signal.SIGKILL


def test_signals_reach_the_server(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = f"""
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))
pathlib.Path({str(ready)!r}).touch()
time.sleep(60)
"""
    with started("--", sys.executable, "-c", code) as process:
        until(ready.exists, "the server runs")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 42


def test_a_client_that_hangs_up_ends_the_server(tmp_path: Path) -> None:
    events = tmp_path / "events"
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rows"}}
    code = "import sys; sys.stdin.read()"
    line = json.dumps(call).encode() + b"\n"
    done = wrap("--events", str(events), "--server", "crm", "--", sys.executable, "-c", code, input=line)
    assert done.returncode == 0
    (event,) = [event for event in told(events) if event["kind"] == "request"]
    assert (event["server"], event["outcome"], event["target"]) == ("crm", "upstream_error", "rows")
    assert event["reason"] == "the server ended (exit code 0)"
    assert event["identity"] == "claimed"


def test_a_server_whose_reader_has_gone_hears_of_it() -> None:
    code = "import os\nwhile True: os.write(1, b'x' * 65536)"
    with started("--", sys.executable, "-c", code) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(30) not in (0, None)


def test_a_command_that_cannot_be_started_is_said() -> None:
    done = wrap("--", "no-such-command-anywhere")
    assert done.returncode == 127
    assert b"there is no command 'no-such-command-anywhere'" in done.stderr
    assert wrap("--", "/").returncode == 126
    assert wrap().returncode == 2


def test_a_configuration_is_wrapped_shown_and_given_back_to_the_byte(tmp_path: Path) -> None:
    file = tmp_path / "claude_desktop_config.json"
    text = '{ "mcpServers": {\n  "echo": {"command": "PYTHON", "args": ["-c", "pass"]}\n} }'
    text = text.replace("PYTHON", sys.executable)
    file.write_text(text)
    file.chmod(0o640)
    events = tmp_path / "events"
    done = wrap("--install", str(file), "--events", str(events))
    assert done.returncode == 0, done.stderr
    assert b'+  "echo": {"command":' in done.stdout
    assert b"echo: wrapped" in done.stderr
    entry = json.loads(file.read_text())["mcpServers"]["echo"]
    installed = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640
    assert subprocess.run([entry["command"], *entry["args"]], env=ENVIRONMENT, check=False, cwd=ROOT).returncode == 0
    again = wrap("--install", str(file), "--events", str(events))
    assert (again.returncode, again.stdout, file.read_text()) == (0, b"", installed)
    assert b"it is wrapped already" in again.stderr
    shown = wrap("--uninstall", str(file), "--dry-run")
    assert shown.stdout
    assert file.read_text() == installed
    assert wrap("--uninstall", str(file), "--events", str(events)).returncode == 0
    assert file.read_text() == text
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(file.name)] == [file.name]
    changes = [event["change"] for event in told(events) if event["kind"] == "config"]
    assert [change["action"] for change in changes] == ["wrapped", "unwrapped"]
    plain, wrapped = (f"sha256:{hashlib.sha256(each.encode()).hexdigest()}" for each in (text, installed))
    assert [(change["before"], change["after"]) for change in changes] == [(plain, wrapped), (wrapped, plain)]
    assert changes[0]["object"] == str(file)


def test_a_file_that_is_none_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.json"
    file.write_text('{"a": 1}')
    done = wrap("--install", str(file))
    assert done.returncode == 1
    assert b"neither mcpServers nor servers" in done.stderr
    file.write_text('{"a": ')
    assert b"line 1" in wrap("--install", str(file)).stderr
    assert file.read_text() == '{"a": '
    assert b"no such file" in wrap("--uninstall", str(tmp_path / "none")).stderr


def test_a_change_of_the_file_by_others_is_told_when_the_server_starts(tmp_path: Path) -> None:
    file, events = tmp_path / "mcp.json", tmp_path / "events"
    words = ("--started-by", str(file), "--events", str(events), "--server", "crm", "--", sys.executable, "-c", "pass")
    for text in ("one", "one", "two"):
        file.write_text(text)
        assert wrap(*words).returncode == 0
    (change,) = [event["change"] for event in told(events) if event["kind"] == "config"]
    one, two = (f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" for text in ("one", "two"))
    assert (change["action"], change["before"], change["after"]) == ("changed", one, two)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["npx", "-y", "@modelcontextprotocol/server-memory@1.2"], "server-memory"),
        (["/usr/bin/crm-server", "--x"], "crm-server"),
        (["uvx", "mcp-server-git"], "mcp-server-git"),
        (["python3", "/srv/tools.py"], "tools.py"),
        (["node"], "node"),
    ],
)
def test_a_server_that_nobody_named_is_called_by_its_program(command: list[str], name: str) -> None:
    assert name_of(command) == name


def test_variables_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "wrap.env"
    file.write_text("# where to\nexport TOCSIN_URL=https://x:1\nTOCSIN_KEY='k=1'\n\nnonsense\n")
    assert read_env(file) == {"TOCSIN_URL": "https://x:1", "TOCSIN_KEY": "k=1"}
