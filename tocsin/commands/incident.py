"""`tocsin incident`: list, show, explain and change incidents of a running Tocsin."""

import getpass
import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.harmless import harmless
from alerting.words import counted, name
from tocsin.commands.options import ConfigOption, DataOption, JsonOption
from tocsin.incident_work import add_to
from tocsin.incidents.view import STYLES, render

app = typer.Typer(help="List, show, work on and close incidents.", no_args_is_help=True)
add_to(app)


Id = Annotated[str, typer.Argument(metavar="ID", help="The incident's id, or the first digits of it.")]
Note = Annotated[str | None, typer.Option("--note", "-m", help="What others should know.")]


def _client(config: Any, data: Any) -> Any:
    from tocsin.client import connect

    return connect(config, data)


@app.command("list", epilog="Example: tocsin incident list --severity high --since 2d")
def list_(
    state: Annotated[str, typer.Option(help="open, ended, all, or one status.")] = "open",
    severity: Annotated[str | None, typer.Option(help="At least this severe.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of this tenant.")] = None,
    entity: Annotated[str | None, typer.Option(help="About this user, client, address, server or object.")] = None,
    since: Annotated[str | None, typer.Option(help="Changed since: 2026-11-20T08:00:00Z, 2026-11-20, 90m.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Incidents, the most recently changed first."""
    client = _client(config, data)
    found = client.get(
        "/incidents", state=state, severity=severity, tenant=tenant, entity=entity, since=since, limit=limit
    )
    if as_json:
        typer.echo(json.dumps(found))
        return
    if not found:
        Console().print(f"no incidents ({state})")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "severity", "status", "updated", "what"):
        folds = heading == "what"
        table.add_column(heading, overflow="fold" if folds else "ellipsis", no_wrap=not folds)
    for incident in found:
        table.add_row(
            incident["id"][:12],
            Text(incident["severity"], STYLES.get(incident["severity"], "")),
            incident["status"],
            f"{incident['updated'][5:16].replace('T', ' ')}Z",
            _what(incident),
        )
    Console().print(table)


def _what(incident: dict[str, Any]) -> Text:
    tenant = f"[{harmless(incident['tenant'], 40)}] " if incident.get("tenant") else ""
    about = ", ".join(f"{key} {name(value)}" for key, value in incident["entity"].items())
    return Text.assemble(f"{tenant}{harmless(incident['title'], 120)}", (f"\n{about}" if about else "", "dim"))


@app.command(epilog="Example: tocsin incident show 3f9ab2c1")
def show(id_: Id, as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """One incident whole: findings with their numbers, timeline, deliveries, and what to do now."""
    record = _client(config, data).get(f"/incidents/{id_}")
    if as_json:
        typer.echo(json.dumps(record))
        return
    render(Console(), record)


@app.command(epilog="Example: tocsin incident why 3f9ab2c1")
def why(id_: Id, as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """Why somebody was told of an incident, or was not: every decision with its reason."""
    record = _client(config, data).get(f"/incidents/{id_}/why")
    if as_json:
        typer.echo(json.dumps(record))
        return
    console = Console()
    console.print(Text(harmless(record["incident"]["title"], 200)))
    for decision in record["decisions"]:
        page = f", page {decision['page_id']}" if decision.get("page_id") else ""
        detail = f" ({harmless(decision['detail'], 200)})" if decision.get("detail") else ""
        console.print(Text(f"{decision['at'][:19]}Z {decision['severity']:8} {decision['reason']}{detail}{page}"))
    for held in record["held"]:
        console.print(Text(f"held back for {held['receiver']} since {held['since'][:19]}Z"))


def _act(name: str, id_: str, config: Any, data: Any, as_json: bool, **body: str | None) -> None:
    said = {key: value for key, value in body.items() if value is not None}
    record = _client(config, data).post(f"/incidents/{id_}/{name}", {"by": getpass.getuser(), **said})
    if as_json:
        typer.echo(json.dumps(record))
    else:
        Console().print(Text(f"{record['id'][:12]} is {record['status']}: {harmless(record['title'], 200)}"))


@app.command(epilog='Example: tocsin incident ack 3f9ab2c1 -m "looking"')
def ack(
    id_: Id, note: Note = None, as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None
) -> None:
    """Take an incident: you are working on it."""
    _act("ack", id_, config, data, as_json, note=note)


Words = Annotated[str, typer.Option("--note", "-m", help="What whoever comes next should know.")]


@app.command("hand-over", epilog='Example: tocsin incident hand-over 3f9ab2c1 --to ben -m "token revoked"')
def hand_over(
    id_: Id,
    to: Annotated[str, typer.Option(help="Who takes it.")],
    note: Words,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Pass an incident on, with what its next holder should know; those who heard of it are told."""
    _act("hand-over", id_, config, data, as_json, note=note, to=to)


@app.command(epilog='Example: tocsin incident note 3f9ab2c1 -m "the owner of the client calls back at nine"')
def note(
    id_: Id, note: Words, as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None
) -> None:
    """Write something into the timeline; nobody is told."""
    _act("note", id_, config, data, as_json, note=note)


@app.command(epilog='Example: tocsin incident contain 3f9ab2c1 -m "token revoked, address blocked"')
def contain(
    id_: Id, note: Note = None, as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None
) -> None:
    """Say that it cannot do more harm; finding out what it did goes on."""
    _act("contain", id_, config, data, as_json, note=note)


@app.command(epilog='Example: tocsin incident resolve 3f9ab2c1 -m "token revoked"')
def resolve(
    id_: Id, note: Note = None, as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None
) -> None:
    """Say that it is over; a newer finding opens it again."""
    _act("resolve", id_, config, data, as_json, note=note)


@app.command(
    epilog="Example: tocsin incident close 3f9ab2c1 --verdict true --root-cause 'a key in a public repository'"
)
def close(
    id_: Id,
    verdict: Annotated[str, typer.Option(help="true, benign, false or duplicate.")],
    cause: Annotated[str | None, typer.Option("--root-cause", help="What made it possible, where it was true.")] = None,
    note: Note = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """End an incident with a verdict, which counts for its detector's precision; a true one takes its root cause."""
    _act("close", id_, config, data, as_json, note=note, verdict=verdict, root_cause=cause)


@app.command(epilog="Example: tocsin incident reopen 3f9ab2c1")
def reopen(
    id_: Id, note: Note = None, as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None
) -> None:
    """Open an incident again that had ended."""
    _act("reopen", id_, config, data, as_json, note=note)


Other = Annotated[str, typer.Argument(metavar="OTHER", help="The other incident's id, or the first digits of it.")]


def _tie(act: str, id_: str, other: str, why_: str, config: Any, data: Any, as_json: bool) -> None:
    body = {"other": other, "why": why_, "by": getpass.getuser()}
    record = _client(config, data).post(f"/incidents/{id_}/{act}", body)
    if as_json:
        typer.echo(json.dumps(record))
        return
    console = Console()
    console.print(Text(f"{record['incident']['id'][:12]} is linked to {counted(len(record['links']), 'incident')}"))
    for one in record["links"]:
        console.print(Text(f"  {one['incident'][:12]}: {harmless(one['why'], 200)}"))


@app.command(epilog='Example: tocsin incident link 3f9ab2c1 77ab01fe -m "the same contractor"')
def link(
    id_: Id,
    other: Other,
    note: Annotated[str, typer.Option("--note", "-m", help="Why they belong together.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Tie two incidents together; each keeps its own life."""
    _tie("link", id_, other, note, config, data, as_json)


@app.command(epilog="Example: tocsin incident unlink 3f9ab2c1 77ab01fe")
def unlink(
    id_: Id,
    other: Other,
    note: Annotated[str, typer.Option("--note", "-m", help="Why they do not belong together.")] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Take a link away; it is not made again by itself."""
    _tie("unlink", id_, other, note, config, data, as_json)
