"""Keeps a server while anybody is in the test run: keeper.py RUN FOLDER USER COMMAND…

Being a process of its own it also ends the server when pytest and its workers were killed.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

LOOK = 0.2
"""Seconds between two looks at who is still in the run."""


def main(run: Path, folder: Path, user: str, command: list[str]) -> None:
    """Run the command until it ends (said by a file `ended`) or the run's lock can be had; then remove what it left."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0, user=user or None
        )
    (folder / "pid").write_text(str(server.pid))
    users = os.open(run / "users", os.O_RDWR)
    try:
        while server.poll() is None and not deserted(users):
            time.sleep(LOOK)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # nothing in it is worth an orderly end
        server.wait()
        (folder / "ended").touch()
    if deserted(users):
        sweep(run)


def sweep(run: Path) -> None:
    """Remove what ended servers left, and the run's folder with the last of them."""
    left = [path for path in run.iterdir() if path.is_dir()]
    for folder in left:
        if (folder / "ended").exists():
            shutil.rmtree(folder, ignore_errors=True)
    if not any(folder.exists() for folder in left):
        shutil.rmtree(run, ignore_errors=True)


def deserted(users: int) -> bool:
    """Whether no process of the run is left."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(users, fcntl.LOCK_UN)
    return True


if __name__ == "__main__":
    if pid := os.fork():  # pytest waits for this process only, and reads whom to end early if need be
        print(pid, flush=True)
        os._exit(0)
    log = os.open(Path(sys.argv[2]) / "server.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
