"""The published ContextForge gateway, got by uv on first use and run as it is."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tests.services.run import fetched
from tocsin.demo.world import end_process

SCRIPT = Path(__file__).parents[2] / "scripts" / "contextforge.sh"
READY = 280.0
MAIL, PASSWORD = "admin@example.com", "Changeme-123456"


@cache
def gateway_program() -> Path:
    """The gateway's program; raises MissingError where it cannot be had, RuntimeError with the installer's words."""
    return fetched(SCRIPT) / "venv" / "bin" / "mcpgateway"


@contextlib.contextmanager
def contextforge(port: int, folder: Path, destinations: list[dict[str, Any]]) -> Iterator[str]:
    """A gateway that exports to some destinations; its address."""
    folder.mkdir()
    log = folder / "gateway.log"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'gateway.db'}",
        "CACHE_TYPE": "memory",
        "AUTH_REQUIRED": "true",
        "PLATFORM_ADMIN_EMAIL": MAIL,
        "PLATFORM_ADMIN_PASSWORD": PASSWORD,
        "BASIC_AUTH_PASSWORD": PASSWORD,
        "JWT_SECRET_KEY": "a-key-for-tests-0123456789-0123456789",
        "AUTH_ENCRYPTION_SECRET": "another-key-for-tests-0123456789-0123",
        "SIEM_EXPORT_ENABLED": "true",
        "SIEM_EXPORT_FLUSH_INTERVAL_SECONDS": "1",
        "SIEM_DESTINATIONS": json.dumps(destinations),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(gateway_program()), "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + READY
        while not _healthy(url):
            assert process.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(0.2)
        yield url
    finally:
        end_process(process)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=10).is_success
    except httpx.HTTPError:
        return False
