"""`tocsin hold`: what must not be removed."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer(no_args_is_help=True, help="Legal holds: data that neither retention nor erasure may remove.")

ReasonOption = Annotated[str, typer.Option(help="The matter, and who decided it; the ledger keeps it.")]


@app.command(
    epilog="Example: tocsin hold add --tenant acme --principal 'https://idp|alice' --reason 'CASE-17, counsel'"
)
def add(
    reason: ReasonOption,
    tenant: Annotated[str | None, typer.Option(help="Data of this tenant.")] = None,
    principal: Annotated[str | None, typer.Option(help="What this user, client or agent did.")] = None,
    incident: Annotated[str | None, typer.Option(help="An incident, its evidence, and the events around it.")] = None,
    since: Annotated[str | None, typer.Option(help="Events from this moment on.")] = None,
    until: Annotated[str | None, typer.Option(help="Events before this moment.")] = None,
    expires: Annotated[str | None, typer.Option(help="When the hold ends by itself: 90d, or a moment.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Hold what fits all that is given, until the hold is lifted."""
    from tocsin.client import connect

    body = {
        "reason": reason,
        "tenant": tenant,
        "principal": principal,
        "incident": incident,
        "since": since,
        "until": until,
        "expires": expires,
    }
    hold = connect(config, data).post("/holds", {name: value for name, value in body.items() if value is not None})
    if as_json:
        typer.echo(json.dumps(hold))
    else:
        Console().print(Text(f"hold {hold['id']} stands; lift it with: tocsin hold lift {hold['id']} --reason …"))


@app.command("list", epilog="Example: tocsin hold list --json")
def list_(as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """The holds that stand."""
    from alerting.harmless import harmless
    from tocsin.client import connect

    holds = connect(config, data).get("/holds")
    if as_json:
        typer.echo(json.dumps(holds))
        return
    console = Console()
    if not holds:
        console.print("nothing is held")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "holds", "until", "by", "why"):
        table.add_column(heading, overflow="fold")
    for hold in holds:
        names = ("incident", "tenant", "principal", "since", "until")
        what = ", ".join(f"{name} {hold[name]}" for name in names if name in hold)
        until = hold.get("expires", "lifted")[:19]
        table.add_row(hold["id"], *(Text(harmless(text, 200)) for text in (what, until, hold["by"], hold["why"])))
    console.print(table)


@app.command(epilog="Example: tocsin hold lift 3f9a1c2e --reason 'CASE-17 closed'")
def lift(
    id_: Annotated[str, typer.Argument(metavar="ID")],
    reason: ReasonOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """End a hold: from then on retention and erasure may remove what it held."""
    from tocsin.client import connect

    answer = connect(config, data).post(f"/holds/{id_}/lift", {"reason": reason})
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        Console().print(Text(f"hold {answer['id']} is lifted"))
