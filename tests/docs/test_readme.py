"""What the READMEs tell a newcomer to type does what they say."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastmcp import Client

from tests.docs.blocks import blocks, spans
from tests.docs.shell import Shell
from tests.house import ROOT
from tocsin.cli import COMMANDS

README = ROOT / "README.md"
AUDIT_README = ROOT / "audit" / "README.md"
TARGETS = ("setup", "demo", "test", "check", "bench", "evaluate")

SERVING = """
@mcp.tool
def list_invoices() -> list[dict[str, str]]:
    return [{"id": "1", "tenant": "acme"}]

mcp.run(transport="http", host="127.0.0.1", port=PORT, show_banner=False)
"""

OTHERS = """
import asyncio
from fastmcp import Client, FastMCP
from mcp.server.mcpserver import MCPServer
from starlette.testclient import TestClient
from tocsin_audit import AuditEvent, AuditMiddleware
"""


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell in a folder that has the environment where a checkout has it, and no variable of ours set."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    opened = Shell(tmp_path, kept | {"XDG_STATE_HOME": str(tmp_path / "state"), "COLUMNS": "200"})
    yield opened
    opened.close()


def test_a_newcomer_sees_his_own_server_and_its_incidents(shell: Shell, tmp_path: Path) -> None:
    start, look = blocks(README, "sh")[-2:]
    (server,) = blocks(README, "python")
    port, own = _free_port(), _free_port()
    (tmp_path / "tocsin.yaml").write_text(f"listen: {{port: {port}}}\n")  # other tests run beside this one
    (tmp_path / "server.py").write_text(server + SERVING.replace("PORT", str(own)))

    shell.run(start.replace("8642", str(port)))
    _until(lambda: _answers(f"http://127.0.0.1:{port}/readyz"))
    shell.run("python server.py &")
    _until(lambda: _listens(own))
    asyncio.run(_call(f"http://127.0.0.1:{own}/mcp", "list_invoices"))
    _until(lambda: "list_invoices" in shell.run("tocsin search --since 10m"))

    foreign = {"time": time.time(), "server": "billing", "method": "tools/call", "target": "list_invoices"}
    foreign |= {"tenant": "acme", "user": "mallory", "outcome": "ok", "resource_tenants": ["acme", "globex"]}
    key = shell.run('echo "$TOCSIN_KEY"').strip()
    sent = httpx.post(
        f"http://127.0.0.1:{port}/v1/events", content=json.dumps(foreign), headers={"Authorization": f"Bearer {key}"}
    )
    assert (sent.status_code, sent.json()["accepted"]) == (200, 1)
    _until(lambda: json.loads(shell.run("tocsin incident list --json")))
    (incident,) = json.loads(shell.run("tocsin incident list --json"))

    seen = shell.run(look.replace("ID", incident["id"]))
    assert seen.count("list_invoices") >= 2
    assert incident["id"][:12] in seen
    assert "first fifteen minutes" in seen.lower()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_introduced(name: str) -> None:
    assert any(re.match(rf"(?:tocsin |make )?{name}\b", span) for span in (*spans(README), *blocks(README, "sh")))


@pytest.mark.parametrize("block", [block for block in blocks(README, "sh") if block.startswith("make ")])
def test_a_make_block_is_one_target(block: str) -> None:
    assert block.strip() in {f"make {target}" for target in TARGETS}


def test_the_readme_begins_with_the_demo_and_the_tests() -> None:
    assert [block.strip() for block in blocks(README, "sh")[:2]] == ["make demo", "make test"]


def test_every_target_is_there_and_sets_up_what_it_needs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in TARGETS:
        rule = re.search(rf"^{target}:(.*)$", makefile, re.MULTILINE)
        assert rule is not None, target
        assert target == "setup" or rule[1].split() == ["setup"], target


def test_the_line_for_other_servers_runs(tmp_path: Path) -> None:
    (line,) = [span for span in spans(README) if span.startswith("app = ")]
    program = f'{OTHERS}\nmcp = MCPServer("billing")\n{line}\n'
    program += 'with TestClient(app) as client:\n    assert client.get("/nowhere").status_code == 404\n'
    _python(program, tmp_path)


def test_the_blocks_about_the_middleware_run(tmp_path: Path) -> None:
    fastmcp, sdk, own, changes = blocks(AUDIT_README, "python")
    program = f'{OTHERS}\nserver = MCPServer("billing")\n{fastmcp}\nasyncio.run(mcp.list_tools())\n'
    program += f'{sdk}\nwith TestClient(app) as client:\n    assert client.get("/nowhere").status_code == 404\n'
    program += f"{own}\n{changes}"
    _python(program, tmp_path)


def test_the_variables_of_the_middleware_are_the_ones_it_reads(shell: Shell) -> None:
    (block,) = blocks(AUDIT_README, "sh")
    set_there = re.findall(r"^(TOCSIN_\w+)=", shell.run(f"{block}\nenv"), re.MULTILINE)
    assert sorted(set_there) == ["TOCSIN_FINGERPRINT_KEY", "TOCSIN_KEY", "TOCSIN_URL"]
    named = set(re.findall(r"TOCSIN_[A-Z_]+", README.read_text() + AUDIT_README.read_text()))
    read = set(re.findall(r"TOCSIN_[A-Z_]+", (ROOT / "audit" / "tocsin_audit" / "options.py").read_text()))
    assert named == read


async def _call(url: str, tool: str) -> None:
    async with Client(url) as client:
        await client.call_tool(tool)


def _python(program: str, folder: Path) -> None:
    (folder / "program.py").write_text(program)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env=kept | {"XDG_STATE_HOME": str(folder)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def _until(condition: Callable[[], object], within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.05)
