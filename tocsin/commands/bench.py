"""`tocsin bench`: speed on this machine."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tocsin.commands.options import JsonOption

app = typer.Typer()


@app.command(epilog="Example: tocsin bench pipeline --json")
def bench(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="pipeline, latency, detect, replay, incidents, middleware, vantage, formats, inspection, "
            "encryption, ledger, search (default: these); million, day, kafka."
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="A million principals and a day of ten million events too: some minutes more, and 3 GB."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure what an event costs on its way. A figure never fails; gates and goals stand beside it."""
    from stream.errors import ConfigError
    from tocsin.bench import (
        detect,
        encryption,
        formats,
        incidents,
        inspection,
        kafka,
        latency,
        ledger,
        middleware,
        pipeline,
        replay,
        search,
        vantage,
    )
    from tocsin.config.faults import did_you_mean

    usual = {
        "pipeline": pipeline.measure,
        "latency": latency.measure,
        "detect": detect.measure,
        "replay": replay.measure,
        "incidents": incidents.measure,
        "middleware": middleware.measure,
        "vantage": vantage.measure,
        "formats": formats.measure,
        "inspection": inspection.measure,
        "ledger": ledger.measure,
        "encryption": encryption.measure,
        "search": search.measure,
    }
    long = {"million": detect.measure_million, "day": search.measure_day}
    known = {**usual, **long, "kafka": kafka.measure}
    errors = Console(stderr=True)
    figures = []
    for name in what or [*usual, *(long if full else [])]:
        if name not in known:
            raise ConfigError(f"there is no benchmark '{name}'", hint=did_you_mean(name, known))
        errors.print(f"bench: {name}", style="dim")
        figures += [figure._asdict() for figure in known[name]()]
    if as_json:
        typer.echo(json.dumps(figures))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("figure", "value", "unit", "over", "gate", "goal"):
        table.add_column(heading, justify="left" if heading in ("figure", "unit") else "right")
    for figure in figures:
        cells = [f"{figure[key]:,}" if figure[key] is not None else "" for key in ("n", "gate", "goal")]
        table.add_row(figure["name"], f"{figure['value']:,}", figure["unit"], *cells)
    Console().print(table)
