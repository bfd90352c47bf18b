"""A person's shell: one bash that keeps its variables and its background jobs from block to block."""

import subprocess
import time
from pathlib import Path


class Shell:
    """Runs blocks of commands in a folder, each to its end; the first that fails ends it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._count = 0
        self._bash = subprocess.Popen(
            ["bash", "-eu", "-o", "pipefail"], cwd=folder, env=environment, stdin=subprocess.PIPE, text=True
        )

    def run(self, block: str, *, within: float = 60.0) -> str:
        """What a block prints, background jobs included; AssertionError with all of it where it fails."""
        self._count += 1
        output, done = self._folder / f"output.{self._count}", self._folder / f"done.{self._count}"
        assert self._bash.stdin is not None
        self._bash.stdin.write(f"{{\n{block.rstrip()}\n}} </dev/null >{output.name} 2>&1\ntouch {done.name}\n")
        self._bash.stdin.flush()
        deadline = time.monotonic() + within
        while not done.exists():
            alive = self._bash.poll() is None
            printed = output.read_text() if output.exists() else ""
            assert alive, f"failed:\n{block}\n{printed}"
            assert time.monotonic() < deadline, f"takes longer than {within} s:\n{block}\n{printed}"
            time.sleep(0.02)
        return output.read_text()

    def close(self) -> None:
        """End the background jobs as a person would, then the shell."""
        if self._bash.poll() is None:
            self.run('for job in $(jobs -p); do kill "$job"; wait "$job" || true; done')
            self._bash.communicate("exit\n", timeout=10)
        self._bash.wait(10)
