"""The guides of what stands in the way of traffic (proxy, wrapper, TypeScript) and of Kafka do what they say."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from fastmcp import Client, FastMCP
from fastmcp.client.transports import StdioTransport
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from tests.audit.serving import serving
from tests.docs.blocks import blocks
from tests.docs.shell import Shell
from tests.house import ROOT
from tests.services.reference_servers import server_script
from tests.services.run import MissingError, skip_or_fail
from tests.tocsin.program import Program, until
from tocsin.demo.world import free_ports

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("reference_servers")]
GUIDES = ROOT / "docs" / "guides"


class Site(NamedTuple):
    """A running Tocsin, and a shell in its folder."""

    program: Program
    shell: Shell
    folder: Path

    def targets(self) -> set[str]:
        return {event.get("target") for event in self.program.get("/events", since="1h", limit=1000)["events"]}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "tocsin-data").symlink_to("data")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "XDG_"))}
    with Program(tmp_path, {}) as program:
        program.ready()
        shell = Shell(tmp_path, kept | {"PATH": path, "HOME": str(tmp_path)})
        yield Site(program, shell, tmp_path)
        shell.close()


@pytest.fixture
def reference_servers() -> None:
    try:
        server_script("everything")
    except MissingError as error:
        skip_or_fail(error)


def without_npx(block: str) -> str:
    """A block that starts the published servers from where they are kept, instead of getting them anew."""
    return re.sub(r"npx -y @modelcontextprotocol/server-(\w+)", lambda found: f"node {server_script(found[1])}", block)


def call(url: str, tool: str, **arguments: Any) -> None:
    async def use() -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                async with Client(url) as client:
                    await client.call_tool(tool, arguments)
                    return
            except RuntimeError:  # it is still starting
                assert time.monotonic() < deadline, f"nobody answers at {url}"
                await asyncio.sleep(0.1)

    asyncio.run(use())


def test_the_proxy_guide(site: Site) -> None:
    mcp: FastMCP = FastMCP("billing")

    @mcp.tool
    def through_the_proxy() -> str:
        return "fine"

    (port,) = free_ports(1)
    block = blocks(GUIDES / "proxy.md", "sh")[0].replace("http://127.0.0.1:8642", site.program.listening())
    with serving(mcp.http_app()) as behind:
        block = block.replace("http://127.0.0.1:9000", behind).rstrip()
        site.shell.run(f"{block} --listen 127.0.0.1:{port} &")
        call(f"http://127.0.0.1:{port}/mcp", "through_the_proxy")
        until(lambda: "through_the_proxy" in site.targets(), "the event is there")


def test_the_wrap_guide(site: Site, reference_servers: None) -> None:
    wrap, install = blocks(GUIDES / "wrap.md", "sh")
    (site.folder / "srv").mkdir()
    (site.folder / "srv" / "a.txt").write_text("hello")
    command = without_npx(wrap).replace(" /srv", " srv")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    async def use() -> None:
        transport = StdioTransport("bash", ["-c", command], env=environment, keep_alive=False, cwd=str(site.folder))
        async with Client(transport) as client:
            await client.call_tool("read_text_file", {"path": str(site.folder / "srv" / "a.txt")})

    asyncio.run(use())
    told = [json.loads(line) for line in (site.folder / "events.ndjson").read_bytes().splitlines()]
    assert [event["server"] for event in told if event.get("target") == "read_text_file"] == ["files"]

    desktop = site.folder / ".config" / "Claude" / "claude_desktop_config.json"
    editor = site.folder / ".vscode" / "mcp.json"
    before = {}
    for file, key in ((desktop, "mcpServers"), (editor, "servers")):
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({key: {"memory": {"command": "npx", "args": ["-y", "memory"]}}}))
        before[file] = file.read_bytes()
    site.shell.run(install)
    wrapped = json.loads(desktop.read_bytes())["mcpServers"]["memory"]
    assert "wrap" in wrapped["args"]
    assert editor.read_bytes() == before[editor]
    site.shell.run(f"tocsin wrap --uninstall {desktop}")
    assert desktop.read_bytes() == before[desktop]


def test_the_typescript_guide(site: Site, reference_servers: None) -> None:
    over_http = without_npx(blocks(GUIDES / "typescript.md", "sh")[1])
    behind, port = free_ports(2)
    server, proxy = over_http.replace("3001", str(behind)).rstrip().splitlines()
    site.shell.run(f"{server} &\n{proxy} --listen 127.0.0.1:{port} &")
    call(f"http://127.0.0.1:{port}/mcp", "echo", message="hello")
    told = site.folder / "events.ndjson"
    until(lambda: told.exists() and b'"target":"echo"' in told.read_bytes(), "the event is there")


@pytest.mark.kafka
@pytest.mark.xdist_group("kafka")
def test_the_kafka_guide(tmp_path: Path, kafka_server: str) -> None:
    settings = yaml.safe_load(blocks(GUIDES / "kafka.md", "yaml")[0])
    settings["inputs"]["fan-in"]["brokers"] = f"kafka://{kafka_server}/"
    record: dict[str, Any] = {
        "time": "2026-11-20T06:10:00.1Z",
        "level": "AUDIT",
        "msg": "audit_event",
        "audit_id": "a",
        "type": "mcp_tool_call",
        "logged_at": "2026-11-20T06:10:00.1Z",
        "outcome": "success",
        "component": "crm-mcp",
        "source": {"type": "network", "value": "203.0.113.9"},
        "subjects": {"user_id": "auth0|42"},
        "target": {"method": "tools/call", "type": "tool", "name": "from_a_topic"},
    }
    admin = KafkaAdminClient(bootstrap_servers=kafka_server)
    admin.create_topics([NewTopic(topic, 1, 1) for topic in settings["inputs"]["fan-in"]["topics"]])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=kafka_server)
    producer.send("gateway-audit", json.dumps(record).encode()).get(60)
    producer.close()
    with Program(tmp_path, settings) as program:
        program.ready()
        until(lambda: program.get("/events", since="365d", limit=10)["events"], "the event is there", seconds=120)
        (event,) = program.get("/events", since="365d", limit=10)["events"]
    assert (event["target"], event["tenant"], event["server"]) == ("from_a_topic", "acme", "crm-mcp")
