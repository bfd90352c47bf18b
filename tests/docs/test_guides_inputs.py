"""What the guides to the collector's inputs tell an operator to write and to type does what they say."""

import json
import logging
import logging.handlers
import os
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.docs.blocks import blocks
from tests.docs.shell import Shell
from tests.house import ROOT
from tests.tocsin.program import Program, until

GUIDES = ROOT / "docs" / "guides"
CEF = "CEF:0|IBM|ContextForge|1.0|AUTHENTICATION_FAILURE|Authentication failed|3|src=203.0.113.9 suser=mallory"
SPAN = """
attributes = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "from_a_span"}
with trace.get_tracer("fastmcp").start_as_current_span("tools/call from_a_span", attributes=attributes):
    pass
provider.shutdown()
"""


class Site(NamedTuple):
    """A running Tocsin with what the guides configure, and a shell in its folder."""

    program: Program
    shell: Shell
    folder: Path
    port: int
    syslog: int

    def run(self, block: str) -> str:
        return self.shell.run(block.replace("8642", str(self.port)))

    def targets(self) -> set[str]:
        return {event.get("target") for event in self.program.get("/events", since="1h", limit=1000)["events"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("guides")
    (folder / "secret").write_text("a secret of thirty-two characters")
    (folder / "logs").mkdir()
    inputs: dict[str, Any] = {}
    for guide in ("files", "syslog", "http"):
        inputs |= yaml.safe_load(blocks(GUIDES / f"{guide}.md", "yaml")[0])["inputs"]
    port, syslog = _free_port(), _free_port()
    inputs["appliances"]["port"] = syslog  # other tests run beside this one
    inputs["contextforge"]["secret"] = {"file": "secret"}
    settings = {"listen": {"port": port}, "data": "data", "inputs": inputs}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "OTEL_"))}
    with Program(folder, settings) as program:
        program.ready()
        shell = Shell(folder, kept | {"PATH": path})
        yield Site(program, shell, folder, port, syslog)
        shell.close()


def toolhive(tool: str) -> str:
    now = datetime.now(UTC).isoformat()
    event = {"time": now, "level": "AUDIT", "msg": "audit_event", "audit_id": tool, "type": "mcp_tool_call"}
    event |= {"logged_at": now, "outcome": "success", "component": "crm-mcp"}
    source = {"source": {"type": "network", "value": "203.0.113.9"}, "subjects": {"user_id": "auth0|42"}}
    return json.dumps({**event, **source, "target": {"method": "tools/call", "type": "tool", "name": tool}}) + "\n"


def test_a_followed_log_shows_in_the_search(site: Site) -> None:
    assert "fine" in site.run("tocsin check")
    (site.folder / "logs" / "audit.log").write_text(toolhive("from_a_file"))
    until(lambda: "from_a_file" in site.targets(), "the event is there")
    shown = site.run("tocsin formats try logs/audit.log --format toolhive")
    assert "from_a_file" in shown


def test_syslog_with_cef_shows_in_the_search(site: Site) -> None:
    handler = logging.handlers.SysLogHandler(("127.0.0.1", site.syslog), socktype=socket.SOCK_STREAM)
    handler.emit(logging.LogRecord("audit", logging.INFO, "f", 1, CEF, None, None))
    handler.close()
    counts = until(lambda: site.program.get("/status")["inputs"]["appliances"]["accepted"], "the event is there")
    assert counts == 1


def test_every_way_over_http_is_taken(site: Site) -> None:
    (site.folder / "audit.log").write_text(toolhive("from_a_body"))
    key, events, splunk, cloud = blocks(GUIDES / "http.md", "sh")
    site.run(key)
    assert json.loads(site.run(events))["accepted"] == 1
    assert json.loads(site.run(splunk))["code"] == 0
    assert json.loads(site.run(cloud))["accepted"] == 1
    assert {"from_a_body", "list_invoices", "list_refunds"} <= site.targets()


def test_spans_of_a_server_show_in_the_search(site: Site) -> None:
    (settings,) = blocks(GUIDES / "opentelemetry.md", "sh")
    (program,) = blocks(GUIDES / "opentelemetry.md", "python")
    (site.folder / "server.py").write_text(program + SPAN)
    site.run(settings)
    site.run("python server.py")
    until(lambda: "from_a_span" in site.targets(), "the event is there")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
