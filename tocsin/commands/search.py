"""`tocsin search`: find events of a running Tocsin."""

import csv
import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.harmless import harmless
from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer()

ANSWER: Final = 1_000
"""Events of one document or table at most."""
STREAM: Final = 1_000_000
# fmt: off
COLUMNS: Final = (
    "time", "received", "tenant", "user", "client", "agent", "server", "kind", "method", "target", "action", "outcome",
    "reason", "rows", "response_bytes", "duration_ms", "source_ip", "session", "request_id", "id", "producer", "run",
    "seq",
)
# fmt: on
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


@app.command(
    epilog="Example: tocsin search --since 1h --tenant acme --principal 'https://idp.acme.example|alice'   "
    "or: tocsin search --since 30d --text customers/ --csv > customers.csv"
)
def search(
    since: Annotated[str | None, typer.Option(help="From: 2026-11-20T08:00:00Z, 2026-11-20, or 90m ago.")] = None,
    until: Annotated[str | None, typer.Option(help="Before, in the same forms.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of callers of this tenant.")] = None,
    principal: Annotated[str | None, typer.Option(help="By this user, client or agent.")] = None,
    server: Annotated[str | None, typer.Option(help="At this MCP server.")] = None,
    tool: Annotated[str | None, typer.Option(help="Of exactly this tool, prompt or resource.")] = None,
    text: Annotated[str | None, typer.Option(help="Whose target contains this, letter case aside.")] = None,
    outcome: Annotated[str | None, typer.Option(help="With this outcome: ok, auth_invalid, …")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="The event with this id.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most so many (default: 100; all with --csv and --ndjson).", min=1, max=STREAM)
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Go on to the oldest event, however long that takes.")] = False,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, safe in spreadsheets, newest first.")] = False,
    as_lines: Annotated[bool, typer.Option("--ndjson", help="A JSON object a line, newest first.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """The newest events that fit all that is given, in the order in which they were received.

    With --csv or --ndjson they come as they are found, the newest first, and all of them.
    """
    from tocsin.client import connect

    if as_json + as_csv + as_lines > 1:
        raise typer.BadParameter("say one of --json, --csv and --ndjson")
    streamed = as_csv or as_lines
    if limit is not None and limit > ANSWER and not streamed:
        raise typer.BadParameter(f"more than {ANSWER:,} come with --csv or --ndjson", param_hint="--limit")
    wanted = {
        "since": since,
        "until": until,
        "tenant": tenant,
        "principal": principal,
        "server": server,
        "tool": tool,
        "text": text,
        "outcome": outcome,
        "id": id_,
        "limit": limit or (STREAM if streamed else 100),
        "all": "1" if all_ or streamed else None,
    }
    named = urlencode({name: value for name, value in wanted.items() if value is not None})
    lines = connect(config, data).lines(f"/events/stream?{named}")
    end: dict[str, Any] = {}
    events = _watched(lines, end)
    if as_csv:
        _csv(events)
    elif as_lines:
        for event in events:
            typer.echo(json.dumps(event))
    elif as_json:
        typer.echo(json.dumps({"events": list(events)[::-1], **end}))
    else:
        _table(list(events)[::-1], end)
    if streamed and end["more"]:
        Console(stderr=True).print(Text(f"there may be older ones{_reach(end)}", "dim"))


def _watched(lines: Iterator[dict[str, Any]], end: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events as they come; how far the search is shows on a terminal, and `end` says how far it went."""
    from stream.errors import StorageError, UnavailableError

    console = Console(stderr=True)
    with console.status("looking") as status:
        if not console.is_terminal:
            status.stop()
        for line in lines:
            if "event" in line:
                yield line["event"]
            elif "looked" in line:
                if frames := line["looked"].get("frames"):
                    status.update(f"looked through {frames:,} frames, back to {line['looked']['back_to'][:19]}Z")
            elif "error" in line:
                raise StorageError(line["error"], where=line.get("where") or "", hint=line.get("hint") or "")
            else:
                end.update(line["end"])
                return
    raise UnavailableError("the answer ended in the middle", hint="ask again; is Tocsin still running?")


def _csv(events: Iterator[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for event in events:
        writer.writerow([_cell(event.get(column)) for column in COLUMNS])


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _table(events: list[dict[str, Any]], end: dict[str, Any]) -> None:
    console = Console()
    if not events:
        console.print(Text(f"nothing fits{_reach(end)}"))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("time", "server", "what", "who", "tenant", "outcome", "rows", "from"):
        table.add_column(heading, overflow="fold")
    for event in events:
        who = event.get("user") or event.get("client") or event.get("agent") or "-"
        table.add_row(
            event["time"][:23],
            Text(harmless(event["server"], 60)),
            Text(harmless(f"{event.get('method') or event.get('kind', '')} {event.get('target', '')}", 80)),
            Text(harmless(who, 80)),
            Text(harmless(event.get("tenant") or "-", 40)),
            Text(harmless(event.get("outcome") or "-", 40)),
            str(event.get("rows", "")),
            Text(harmless(event.get("source_ip") or "-", 60)),
        )
    console.print(table)
    if end["more"]:
        console.print(Text(f"there may be older ones{_reach(end)}", "dim"))


def _reach(end: dict[str, Any]) -> str:
    """How far a search went that did not go through everything."""
    if not end["more"] or not end["back_to"]:
        return ""
    return f"; it went back to what was received at {end['back_to'][:19]}Z: go on with --until, or with --all"
