"""`tocsin report`: what happened, in numbers that a decision can be made on."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.harmless import harmless
from alerting.words import counted
from stream.errors import RejectedError
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
        Text(
            f"{counted(found['findings'], 'finding')} in {found['days']} days: "
            f"{counted(found['pages'], 'page')}{rate}, had all been live"
        )
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


@app.command(epilog="Example: tocsin report incident 3f9ab2c1 --format html --out incident.html")
def incident(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The incident's id, or the first digits of it.")],
    form: Annotated[str, typer.Option("--format", help="md or html.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write, instead of the screen.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """An incident for those who were not there: timeline, scope, what was done, clocks, root cause, what is left."""
    from tocsin.client import connect

    chosen = "json" if as_json else form or ("html" if out is not None and out.suffix in (".html", ".htm") else "md")
    if chosen not in ("json", "md", "html"):
        raise RejectedError(f"'{chosen[:20]}' is no format", hint="md or html")
    text = connect(config, data).fetch(f"/incidents/{id_}/report", format=chosen).text
    if out is None:
        typer.echo(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RejectedError(f"the file cannot be written ({error.strerror})", where=str(out)) from error
    typer.echo(f"wrote {out}", err=True)


@app.command("follow-ups", epilog="Example: tocsin report follow-ups --owner kim --late")
def follow_ups_(
    owner: Annotated[str | None, typer.Option(help="What this person took on; `nobody` for what is nobody's.")] = None,
    late: Annotated[bool, typer.Option("--late", help="What should have been done by now.")] = False,
    since: Annotated[str, typer.Option(help="Of incidents closed as true since: 90d, 2026-09-01.")] = "90d",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """What is left to do after incidents, by whom and until when; exit 1 where something is late."""
    from tocsin.client import connect

    found = connect(config, data).get("/follow-ups", since=since)
    wanted = {None: True, "nobody": None}.get(owner, owner)
    shown = [one for one in found if wanted in (True, one["owner"]) and (one["late"] or not late)]
    if as_json:
        typer.echo(json.dumps(shown))
    elif not shown:
        Console().print("nothing is left to do" + (" of that kind" if found else ""))
    else:
        _show_follow_ups(Console(), shown)
    if any(one["late"] for one in shown):
        raise typer.Exit(1)


def _show_follow_ups(console: Console, found: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("due", "owner", "incident", "step", "what"):
        table.add_column(heading, overflow="fold")
    for one in found:
        due = Text(one["due"][:10] + (" late" if one["late"] else ""), "red" if one["late"] else "")
        what = Text(f"{one['purpose']}: {one['title']}")
        table.add_row(due, Text(harmless(one["owner"] or "nobody", 40)), one["incident"][:12], one["id"], what)
    console.print(table)
    console.print(Text("take one on:  tocsin incident runbook ID --plan STEP --owner you --due 14d", "dim"))


@app.command(epilog="Example: tocsin report precision --since 90d")
def precision(
    since: Annotated[str, typer.Option(help="From when: 90d, 2026-09-01.")] = "90d",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """How often each detector was right, by the verdicts that people gave, and what to tune."""
    from tocsin.client import connect

    found = connect(config, data).get("/precision", since=since)
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    for one in found["over_budget"]:
        often = f"{one['pages']} times within {one['hours']:g} hours"
        words = f"{one['name']} woke people {often}: the budget is {one['budget']}"
        console.print(Text(words, "bold yellow"))
    if not found["judged"]:
        console.print(f"no verdicts since {since}: close incidents with --verdict")
        return
    for kind in ("detectors", "classes"):
        table = Table(box=None, pad_edge=False)
        for heading in (kind, "right", "harmless", "wrong", "duplicate", "woke somebody", "precision", "suggestion"):
            table.add_column(heading, overflow="fold")
        for one in found[kind]:
            share = f"{one['precision']:.0%}" if one["precision"] is not None else "-"
            counts = [str(one[name]) for name in ("true", "benign", "false", "duplicate", "paged")]
            table.add_row(one["name"], *counts, share, Text(harmless(one["suggestion"], 200)))
        console.print(table)
