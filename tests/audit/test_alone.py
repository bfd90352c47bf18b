"""The distribution tocsin-audit by itself: built, installed and used with msgspec alone and without a network."""

import json
import shutil
import subprocess
import sys
import textwrap
import venv
from pathlib import Path

import msgspec
import pytest

AUDIT = Path(__file__).parents[2] / "audit"

USE = """
import asyncio, importlib.metadata, json, sys
from tocsin_audit import AuditMiddleware

async def answering(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    rows = [{"tenant": "acme"}, {"tenant": "globex"}]
    result = {"structuredContent": {"result": rows}, "content": []}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()
    await send({"type": "http.response.body", "body": body})

async def call(app):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rows"}}
    async def receive():
        return {"type": "http.request", "body": json.dumps(body).encode()}
    async def send(message):
        pass
    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": [], "client": ("192.0.2.1", 1)}
    await app(scope, receive, send)

app = AuditMiddleware(answering, server="crm", path=sys.argv[1], ownership=[{"result": "[*].tenant"}])
asyncio.run(call(app))
print(json.dumps(sorted(d.name for d in importlib.metadata.distributions())))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with tocsin-audit and msgspec in it and nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    source = shutil.copytree(AUDIT, folder / "audit", ignore=shutil.ignore_patterns("__pycache__", "dist"))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    where = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('platlib'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    installed = Path(msgspec.__file__).parents[1]
    for part in [installed / "msgspec", *installed.glob("msgspec-*.dist-info")]:
        shutil.copytree(part, Path(where.stdout.strip()) / part.name)
    install = ["uv", "pip", "install", "--offline", "--no-index", "--no-cache", "--python", str(python), str(wheel)]
    done = subprocess.run([sys.executable, "-m", *install], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return python


def test_it_installs_and_works_with_msgspec_alone(python: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    done = subprocess.run(
        [python, "-I", "-c", textwrap.dedent(USE), str(events)],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["msgspec", "tocsin-audit"]
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    (event,) = [line for line in lines if line["kind"] == "request"]
    assert (event["outcome"], event["rows"], event["resource_tenants"]) == ("ok", 2, ["acme", "globex"])
    assert lines[-1]["reason"] == "stopped"
