"""`tocsin simulate`: write a labelled corpus from a seed."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tocsin.commands.options import JsonOption

app = typer.Typer()


@app.command(epilog="Example: tocsin simulate --seed 7 --days 35 --out corpus")
def simulate(
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same corpus.")] = 1,
    days: Annotated[int | None, typer.Option(help="Days of traffic (default: the preset's).", min=1)] = None,
    preset: Annotated[str, typer.Option(help="attacks, silent, unconfigured or tiny.")] = "attacks",
    events: Annotated[int | None, typer.Option(help="About so many events.", min=1)] = None,
    as_json: JsonOption = False,
) -> None:
    """Write multi-tenant MCP traffic with attacks and decoys, and the truth about them."""
    from tocsin.progress import shares_done
    from tocsin.simulation import simulate as run

    with shares_done("simulating") as progress:
        summary = run(seed, days, out, preset=preset, events_target=events, progress=progress)
    told = {**dataclasses.asdict(summary), "out": str(summary.out)}
    if as_json:
        typer.echo(json.dumps(told))
    else:
        Console().print(
            f"{summary.events:,} events, {summary.incidents} incidents and {summary.decoys} decoys in {summary.out}",
            highlight=False,
            markup=False,
        )
