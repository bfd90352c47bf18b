"""`tocsin refused`: what sinks refused for good, and sending it again."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.harmless import harmless
from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer(help="See the alerts that a sink refused for good, and send them again.", no_args_is_help=True)

Sink = Annotated[str | None, typer.Option(help="Of this sink alone, by its name in the configuration.")]


@app.command("list", epilog="Example: tocsin refused list --sink siem")
def list_(sink: Sink = None, as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """List what was refused with the reason, the newest first."""
    found = _client(config, data).get("/refused", sink=sink)
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    if not found:
        console.print("no sink has refused anything" if sink is None else Text(f"{sink} has refused nothing"))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "refused", "sink", "incident", "what", "why"):
        table.add_column(heading, overflow="fold")
    for letter in found:
        table.add_row(
            str(letter["id"]),
            f"{letter['refused'][:16]}Z",
            Text(harmless(letter["sink"], 60)),
            letter["incident"][:12],
            Text(f"{letter['change']}: {harmless(letter['title'], 120)}"),
            Text(harmless(letter["why"], 300)),
        )
    console.print(table)
    console.print("mend the reason, then: tocsin refused retry ID", style="dim")


@app.command(epilog="Example: tocsin refused retry 17")
def retry(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Which, by id, or `all`.")] = None,
    sink: Sink = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Send dead letters again, once the reason is mended; what is refused once more becomes a dead letter again.

    The last word on an incident that the sink has heard since is sent again behind them, so that it stays the last.
    """
    sent = _client(config, data).post("/refused/retry", _which(ids or [], sink))
    if as_json:
        typer.echo(json.dumps(sent))
        return
    for letter in sent:
        typer.echo(f"{letter['id']} is on its way to {letter['sink']} again")
    if not sent:
        typer.echo("there are no dead letters")


def _which(ids: list[str], sink: str | None) -> dict[str, Any]:
    if ids == ["all"]:
        return {"all": True, "sink": sink}
    if not all(one.isascii() and one.isdecimal() and len(one) < 19 for one in ids):
        raise typer.BadParameter("ids are numbers, as `tocsin refused list` shows them; or say `all`")
    if not ids and sink is None:
        raise typer.BadParameter("say which: ids, `all`, or --sink NAME")
    return {"ids": [int(one) for one in ids], "sink": sink}


def _client(config: Any, data: Any) -> Any:
    from tocsin.client import connect

    return connect(config, data)
