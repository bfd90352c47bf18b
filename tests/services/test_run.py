import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.keeper import sweep
from tests.services.run import VARIABLE, MissingError, shared_server, skip_or_fail

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


def test_what_a_machine_lacks_skips_a_test_by_name_and_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = MissingError("Maven is not installed")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Maven is not installed"):
        skip_or_fail(lacking)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="nothing may be skipped"):
        skip_or_fail(lacking)


def test_a_server_that_does_not_start_is_tried_once_and_all_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    tried = []

    def start(folder: Path) -> str:
        tried.append(folder)
        raise MissingError("not on this machine")

    for _ in range(2):
        with pytest.raises(MissingError, match="not on this machine"):
            shared_server("thing", start)
    assert len(tried) == 1
    sweep(tmp_path)
    assert not tmp_path.exists()
