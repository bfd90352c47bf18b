import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.run import VARIABLE

REPOSITORY = Path(__file__).parents[2]
MEMBER = """
import subprocess, sys, time
from tests.services.run import join_run, keep, run_folder, shared_server
lock = join_run()
def start(folder):
    keep(folder, [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"])
    while not (text := (folder / "server.log").read_text()).endswith("\\n"):
        time.sleep(0.01)
    return text.strip()
print(run_folder(), shared_server("sleeper", start), flush=True)
time.sleep(600)
"""


def join(folder: Path | None = None) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if key not in (VARIABLE, "PYTEST_XDIST_WORKER")}
    if folder is not None:
        environment |= {VARIABLE: str(folder), "PYTEST_XDIST_WORKER": "gw0"}
    return subprocess.Popen(
        [sys.executable, "-c", MEMBER], cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True
    )


def said(process: "subprocess.Popen[str]") -> tuple[Path, int]:
    assert process.stdout is not None
    folder, server = process.stdout.readline().split()
    return Path(folder), int(server)


def killed(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    if status.parent.parent.exists() and not status.exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not status.exists() or "\nState:\tZ" not in status.read_text()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    pytest.fail(f"not within 20 s: {what}")


def test_a_server_is_shared_and_ends_with_the_last_process_even_when_all_are_killed() -> None:
    first = join()
    folder, server = said(first)
    second = join(folder)
    assert said(second) == (folder, server)
    killed(first)
    assert alive(server)
    killed(second)
    wait_until(lambda: not alive(server), "the server has ended")
    wait_until(lambda: not folder.exists(), "the folder of the run is gone")
