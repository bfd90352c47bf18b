"""`tocsin search`: find events of a running Tocsin."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.harmless import harmless
from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer()


@app.command(epilog="Example: tocsin search --since 1h --tenant acme --principal 'https://idp.acme.example|alice'")
def search(
    since: Annotated[str | None, typer.Option(help="From: 2026-11-20T08:00:00Z, 2026-11-20, or 90m ago.")] = None,
    until: Annotated[str | None, typer.Option(help="Before, in the same forms.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of callers of this tenant.")] = None,
    principal: Annotated[str | None, typer.Option(help="By this user, client or agent.")] = None,
    server: Annotated[str | None, typer.Option(help="At this MCP server.")] = None,
    outcome: Annotated[str | None, typer.Option(help="With this outcome: ok, auth_invalid, …")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="The event with this id.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 100,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """The newest events that fit all that is given, in the order in which they were received."""
    from tocsin.client import connect

    answer = connect(config, data).get(
        "/events",
        since=since,
        until=until,
        tenant=tenant,
        principal=principal,
        server=server,
        outcome=outcome,
        id=id_,
        limit=limit,
    )
    if as_json:
        typer.echo(json.dumps(answer))
        return
    console = Console()
    if not answer["events"]:
        console.print(Text(f"nothing fits{_reach(answer)}"))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("time", "server", "what", "who", "tenant", "outcome", "rows", "from"):
        table.add_column(heading, overflow="fold")
    for event in answer["events"]:
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
    if answer["more"]:
        console.print(Text(f"there may be older ones{_reach(answer)}", "dim"))


def _reach(answer: dict[str, Any]) -> str:
    """How far a search went that did not go through everything."""
    if not answer["more"]:
        return ""
    return f"; it went back to what was received at {answer['back_to'][:19]}Z: go on with --until, or raise --limit"
