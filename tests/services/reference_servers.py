"""The published TypeScript reference servers, got by npm on first use and run as they are."""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.services.run import fetched

SCRIPT = Path(__file__).parents[2] / "scripts" / "reference_servers.sh"
READY = 60.0


@cache
def server_script(name: str) -> str:
    """The path of a server's script, for `node`; raises MissingError without Node.js, RuntimeError with npm's words."""
    return str(fetched(SCRIPT) / "node_modules" / "@modelcontextprotocol" / f"server-{name}" / "dist/index.js")


@contextlib.contextmanager
def everything_over(transport: str, port: int, folder: Path) -> Iterator[str]:
    """The server `everything` over HTTP (`sse` or `streamableHttp`); its address."""
    log = folder / f"{transport}.log"
    command = ["node", server_script("everything"), transport]
    with log.open("wb") as output:
        environment = {**os.environ, "PORT": str(port)}
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + READY
        while not re.search(rb"port \d+", log.read_bytes()):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
