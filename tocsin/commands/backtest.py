"""`tocsin backtest`: the detectors and decisions of `run` over files."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tocsin.commands.options import ConfigOption, JsonOption

app = typer.Typer()


@app.command(epilog="Example: tocsin backtest events.ndjson.zst --directory directory.yaml --findings found.ndjson")
def backtest(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Files of events, plain, .gz or .zst; merged by time.")
    ],
    form: Annotated[
        str, typer.Option("--format", help="The format of the lines: a name, a YAML file, or auto for each its own.")
    ] = "auto",
    config: ConfigOption = None,
    directory: Annotated[Path | None, typer.Option(help="Who is who, instead of the configured one.")] = None,
    findings: Annotated[Path | None, typer.Option(help="Write one finding a line to this file (- for stdout).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would have been found and who would have been told. Needs no configuration and stores nothing."""
    from tocsin.config.directory_file import read_directory
    from tocsin.config.whole import load_config, parse_config
    from tocsin.history.backtest import backtest as run
    from tocsin.history.backtest import ndjson
    from tocsin.history.files import Reading, size_of
    from tocsin.progress import bytes_read
    from tocsin.setup import assemble
    from tocsin.trials.format_choice import choose_format
    from tocsin.upkeep.cycles import spare

    # A backtest needs no configuration: the one in the working folder is taken only when it is named.
    loaded = load_config(config) if config is not None else parse_config("")
    ready = assemble(loaded, sinks=False)
    known = read_directory(directory)[0] if directory is not None else ready.directory
    spare()
    reading = Reading()
    with ExitStack() as stack:
        told = None
        if findings is not None:
            out = sys.stdout if str(findings) == "-" else stack.enter_context(findings.open("w", encoding="utf-8"))
            told = ndjson(out.write)
        progress = stack.enter_context(bytes_read(size_of(files), "reading"))
        summary = run(
            files,
            detectors=ready.detectors,
            directory=known,
            policies=ready.policies,
            modes=ready.modes,
            form=choose_format(form),
            reading=reading,
            told=told,
            progress=progress,
        )
    errors = Console(stderr=True)
    for bad in reading.shown:
        errors.print(f"{bad.file}:{bad.line}: {bad.why}", style="yellow", markup=False, highlight=False)
    if reading.bad > len(reading.shown):
        errors.print(f"and {reading.bad - len(reading.shown)} more bad lines", style="yellow")
    for name in reading.jumbled:
        errors.print(f"{name}: not in the order of arrival; read in order of time", style="yellow", markup=False)
    if as_json:
        typer.echo(json.dumps(summary._asdict()))
    elif str(findings) != "-":
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, value in summary._asdict().items():
            table.add_row(name.replace("_", " "), f"{value:,}")
        Console().print(table)
    if not summary.events:
        raise typer.Exit(1)
