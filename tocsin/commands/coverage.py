"""`tocsin coverage`: was everything logged and looked at between two moments?"""

import json
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.harmless import harmless
from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer()

GAPS: Final = 20
"""Gaps of one producer that are shown."""
QUIET: Final = frozenset({"observe", "shadow"})
"""Modes in which what a detector finds is told to nobody."""
NUMBERS: Final = {
    "filled": "filled",
    "heartbeats": "heartbeats",
    "late": "late",
    "skewed": "skewed",
    "sampled": "sampled",
    "capped": "capped",
    "echoed": "echoes",
    "nameless": "no name",
    "tenantless": "no tenant",
}
"""Counts by their key in the answer, and their headings."""


@app.command(epilog="Example: tocsin coverage --from 2026-11-20T08:00:00Z --to 2026-11-20T18:00:00Z --server billing")
def coverage(
    since: Annotated[str, typer.Option("--from", help="From: 2026-11-20T08:00:00Z, 2026-11-20, or 90m ago.")] = "1d",
    until: Annotated[
        str | None, typer.Option("--to", help="To before, in the same forms; as far as is counted if left out.")
    ] = None,
    producer: Annotated[str | None, typer.Option(help="Of this producer alone.")] = None,
    server: Annotated[str | None, typer.Option(help="Of producers of this MCP server.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Say whether everything was logged and looked at, with numbers, and what is missing; exit 1 where it was not."""
    from tocsin.client import connect

    query = {"from": since, "to": until, "producer": producer, "server": server}
    told = connect(config, data).get("/coverage", **query)
    if as_json:
        typer.echo(json.dumps(told))
    else:
        _show(told, Console())
    if not (told["logged"] and told["looked_at"]):
        raise typer.Exit(1)


def _show(told: dict[str, Any], console: Console) -> None:
    stretch = f"{told['from'][:19]}Z to {told['to'][:19]}Z"
    if told["logged"] and told["looked_at"]:
        console.print(Text(f"everything that was sent from {stretch} was logged and looked at", "green"))
    else:
        what = " and ".join(
            name for name, good in (("logged", told["logged"]), ("looked at", told["looked_at"])) if not good
        )
        console.print(Text(f"not everything from {stretch} was {what}:", "red"))
        for why in told["why"]:
            console.print(Text(f"  {harmless(why, 300)}"))
    if not told["producers"]:
        console.print(Text("no producer sent anything in that time", "dim"))
    else:
        console.print(_table(told["producers"]))
    for one in told["producers"]:
        _gaps(one, console)
    for one in told["unheard"]:
        console.print(Text(f"{_name(one)} of {harmless(one['server'], 60)} was never heard of"))
    for pause in told["stood_still"]:
        console.print(Text(f"Tocsin did not listen from {pause['from'][:19]}Z to {pause['to'][:19]}Z"))
    refused = [f"{count:,} {harmless(reason, 60)}" for reason, count in told.get("refused", {}).items()]
    if refused:
        console.print(Text(f"refused: {', '.join(refused)}"))
    for one in told.get("refused_from", ()):
        counts = ", ".join(f"{count:,} {harmless(reason, 60)}" for reason, count in one["refused"].items())
        console.print(Text(f"refused of {harmless(one['key'], 60)}: {counts}"))
    looked = ", ".join(one["detector"] for one in told["detectors"] if not one["not_looked_at"])
    if looked:
        console.print(Text(f"looked at by {looked}", "dim"))
    for one in told["detectors"]:
        for quiet in one["modes"]:
            if quiet["mode"] in QUIET:
                whose = f" for {harmless(quiet['tenant'], 60)}" if "tenant" in quiet else ""
                when = f"from {quiet['from'][:19]}Z to {quiet['to'][:19]}Z"
                console.print(Text(f"{one['detector']} told nobody{whose} {when}: mode {quiet['mode']}", "dim"))
        for left in one["not_looked_at"]:
            console.print(Text(f"{one['detector']} did not look from {left['from'][:19]}Z to {left['to'][:19]}Z"))


def _table(producers: list[dict[str, Any]]) -> Table:
    """The counts of each producer; what is 0 everywhere is left out."""
    shown = [name for name in NUMBERS if any(one.get(name) for one in producers)]
    table = Table(box=None, pad_edge=False)
    table.add_column("producer", overflow="fold")
    for name in ("received", "missing", *shown):
        table.add_column(NUMBERS.get(name, name), no_wrap=True, justify="right")
    for one in producers:
        name = f"{_name(one)} (shared)" if one.get("shared") else _name(one)
        counts = [one.get(column) for column in ("missing", *shown)]
        cells = ["-" if count is None else f"{count:,}" for count in counts]
        table.add_row(Text(name), f"{one['received']:,}", *cells)
    return table


def _gaps(one: dict[str, Any], console: Console) -> None:
    name = _name(one)
    for gap in one.get("gaps", ())[:GAPS]:
        when = f"{gap['after'][:19]}Z to {gap['before'][11:19]}Z"
        came = f"all came by {gap['filled_at'][:19]}Z" if gap["filled_at"] else f"{gap['filled']:,} came later"
        count = gap["last"] - gap["first"] + 1
        console.print(Text(f"{name} {when}: {count:,} numbers, {gap['first']:,} to {gap['last']:,}; {came}"))
    if len(one.get("gaps", ())) > GAPS:
        console.print(Text(f"{name}: {len(one['gaps']) - GAPS:,} more gaps; --json has all", "dim"))
    for quiet in one.get("silent", ())[:GAPS]:
        why = " (planned maintenance)" if quiet["planned"] else ""
        console.print(Text(f"{name} was silent from {quiet['from'][:19]}Z to {quiet['to'][:19]}Z{why}"))


def _name(one: dict[str, Any]) -> str:
    return harmless(one["producer"] or "without a name", 60)
