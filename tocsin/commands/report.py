"""`tocsin report`: what happened, in numbers that a decision can be made on."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.harmless import harmless
from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer(help="Reports over what was found and decided.", no_args_is_help=True)


@app.callback()
def _together() -> None:
    """Reports over what was found and decided."""


@app.command(epilog="Example: tocsin report pilot --since 14d")
def pilot(
    since: Annotated[str, typer.Option(help="From when: 14d, 2026-11-01.")] = "30d",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """What going live would have cost in pages, for each detector."""
    from tocsin.client import connect

    found = connect(config, data).get("/pilot", since=since)
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    if not found["findings"]:
        console.print(f"no findings since {since}")
        return
    rate = f", {found['pages_per_week']} a week" if found["pages_per_week"] is not None else ""
    console.print(
        Text(f"{found['findings']} findings in {found['days']} days: {found['pages']} pages{rate}, had all been live")
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("detector", "findings", "incidents", "pages", "a week", "for", "most about"):
        table.add_column(heading, overflow="fold")
    for one in found["detectors"]:
        table.add_row(
            one["detector"],
            str(one["findings"]),
            str(one["incidents"]),
            str(one["pages"]),
            str(one["pages_per_week"] if one["pages_per_week"] is not None else "-"),
            ", ".join(f"{name} {count}" for name, count in one["classes"].items()),
            Text(", ".join(f"{harmless(each['about'], 60)} ({each['pages']})" for each in one["noisiest"])),
        )
    console.print(table)


@app.command(epilog="Example: tocsin report risk")
def risk(as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """Who has most against them, from all detectors together; it halves each day."""
    from tocsin.client import connect

    found = connect(config, data).get("/risks")
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    if not found:
        console.print("nobody has anything against them")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("risk", "who", "tenant", "because of"):
        table.add_column(heading, overflow="fold")
    for one in found:
        table.add_row(
            f"{one['points']:.0f}",
            Text(f"{one['key']} {harmless(one['value'], 80)}"),
            Text(harmless(one["tenant"] or "-", 40)),
            ", ".join(dict.fromkeys(sign["class"] for sign in one["signs"])),
        )
    console.print(table)
