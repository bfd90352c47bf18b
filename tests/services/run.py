"""The test run: one folder that all its processes share, and a lock that tells when the last of them has gone."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from typing import ClassVar, NoReturn

import pytest

from tests.services.keeper import sweep

VARIABLE = "TOCSIN_TEST_RUN"
KEEPER = Path(__file__).with_name("keeper.py")
LACKING = 3
"""The exit code of a script of ours for a machine without JDK, Maven, Node.js or whatever else it needs."""


class MissingError(Exception):
    """A server's programs are not on this machine; the message says which and how to get them."""


def join_run() -> int:
    """Join the run of this pytest, or begin it; gives the held lock, which ends with the process at the latest.

    The first process (the controller of pytest-xdist) makes the folder and hands it to its workers in the environment.
    Who is in the run holds `users` in shared mode, so the kernel does the counting and a dead worker counts no more.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ or VARIABLE not in os.environ:
        folder = Path(tempfile.mkdtemp(prefix="tocsin-tests-"))
        folder.chmod(0o755)  # a server that runs as another user must be able to pass through
        os.environ[VARIABLE] = str(folder)
    lock = os.open(run_folder() / "users", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def leave_run(lock: int) -> None:
    """Leave the run; whoever leaves last takes along what no keeper is left to remove."""
    with suppress(BlockingIOError):  # others are still here
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sweep(run_folder())
    os.close(lock)


def run_folder() -> Path:
    """The folder of this run."""
    return Path(os.environ[VARIABLE])


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a file lock that excludes every other process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def shared_server(name: str, start: Callable[[Path], str]) -> str:
    """The address of the run's one server of that name; the first process that asks starts it.

    `start` is given an empty folder and answers with the address once the server is ready. Raises what `start` raises;
    the others of the run then get the same message without trying again.
    """
    answer, failure = run_folder() / f"{name}.address", run_folder() / f"{name}.failure"
    with exclusive(run_folder() / f"{name}.lock"):
        if answer.exists():
            return answer.read_text()
        if failure.exists():
            kind, _, message = failure.read_text().partition("\n")
            raise MissingError(message) if kind == MissingError.__name__ else RuntimeError(message)
        folder = run_folder() / name
        folder.mkdir()
        (folder / "ended").touch()  # until something is kept in it
        try:
            address = start(folder)
        except Exception as error:
            failure.write_text(f"{type(error).__name__}\n{error}")
            raise
        answer.write_text(address)
        return address


def keep(folder: Path, command: list[str], *, user: str | None = None) -> int:
    """Start a server that ends, and takes its folder along, when nobody is in the run any more; gives its keeper's pid.

    Its output goes to `server.log` in the folder; when it has ended by itself there is a file `ended`.
    """
    (folder / "ended").unlink(missing_ok=True)
    words = [sys.executable, str(KEEPER), str(run_folder()), str(folder), user or "", *command]
    started = subprocess.run(words, cwd="/", stdin=subprocess.DEVNULL, stdout=PIPE, start_new_session=True, check=True)
    return int(started.stdout)


def prepare(script: Path, otherwise: str) -> None:
    """Have a server's run.sh get its jars where that has not been done, saying so on stderr as it takes its time.

    Raises MissingError with `otherwise` where JDK or Maven is missing, RuntimeError with Maven's words where it fails.
    """
    with subprocess.Popen([str(script)], stdin=subprocess.DEVNULL, stderr=PIPE, text=True) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            sys.stderr.write(line)
            lines.append(line.strip())
    if process.returncode == LACKING:
        raise MissingError(f"{' '.join(lines)}; or {otherwise}")
    if process.returncode:
        raise RuntimeError("\n".join(lines))


def fetched(script: Path) -> Path:
    """The folder that a script of ours fetches something into and prints; what it says on the way goes to stderr.

    Raises MissingError where the machine lacks what the script needs, RuntimeError with its words where it fails.
    """
    done = subprocess.run([str(script)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr)
    if done.returncode == LACKING:
        raise MissingError(done.stderr.strip())
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Path(done.stdout.strip())


class OwnServer:
    """A kept server with its data in a folder, which can be killed and started again."""

    ENDING: ClassVar[float] = 60.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._keeper = 0

    def kill(self) -> None:
        """Kill it as kill -9 does; its data stay."""
        if not ended(self.folder):
            os.kill(self._keeper, signal.SIGTERM)
        deadline = time.monotonic() + self.ENDING
        while not ended(self.folder) and time.monotonic() < deadline:
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP makes it sleep, SIGCONT wakes it."""
        os.killpg(int((self.folder / "pid").read_text()), number)


def ended(folder: Path) -> bool:
    """Whether a kept server is there no more."""
    return (folder / "ended").exists()


def log_tail(folder: Path) -> str:
    """The end of a server's log."""
    path = folder / "server.log"
    return path.read_text(errors="replace")[-3000:] if path.exists() else "(no log)"


def skip_or_fail(error: MissingError) -> NoReturn:
    """Skip a test whose server cannot be had on this machine; where CI=true that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{error} (CI=true: nothing may be skipped)", pytrace=False)
    pytest.skip(str(error))
