"""Nothing is fetched at run time: no command asks a name server or reaches beyond this machine by itself."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.tocsin.lines import guesses
from tests.tocsin.program import until

WATCHED = """
import sys

def watch(event, args):
    if event == "socket.getaddrinfo" and args[0] not in (None, "localhost", "127.0.0.1", "::1"):
        raise PermissionError(f"asked for {args[0]}")
    if event == "socket.connect" and isinstance(args[1], tuple) and args[1][0] not in ("127.0.0.1", "::1"):
        raise PermissionError(f"connects to {args[1]}")

sys.addaudithook(watch)
from tocsin.cli import main
sys.argv = ["tocsin", *sys.argv[1:]]
main()
"""


def watched(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command that fails where it reaches out."""
    command = [sys.executable, "-c", WATCHED, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_no_command_reaches_out_by_itself(tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    events.write_text("\n".join(json.dumps(one) for one in guesses(time.time() - 600)))
    for words in (("check",), ("formats", "list"), ("backtest", str(events), "--json"), ("keys", "create", "crm")):
        done = watched(tmp_path, *words)
        assert done.returncode == 0, (words, done.stderr)
        assert "PermissionError" not in done.stderr, words


def test_a_running_tocsin_reaches_out_to_nobody_who_was_not_configured(tmp_path: Path) -> None:
    (tmp_path / "tocsin.yaml").write_text("listen: {port: 0}\nreserve: {percent: 0, gib: 0}\n")
    screen = tmp_path / "screen"
    with screen.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", WATCHED, "run"], cwd=tmp_path, stdout=file, stderr=file)
    try:
        until(lambda: "listening" in screen.read_text() or process.poll() is not None, "it listens", seconds=180)
        assert process.poll() is None, screen.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0, screen.read_text()
    finally:
        process.kill()
        process.wait()
    assert "PermissionError" not in screen.read_text()


def test_the_watch_sees_who_reaches_out() -> None:
    script = WATCHED.partition("from tocsin")[0] + "import socket\nsocket.getaddrinfo('nowhere.example', 443)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert "asked for nowhere.example" in done.stderr
