"""`tocsin import`: put history into a data directory."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer()


@app.command("import", epilog="Example: tocsin import last-month.ndjson.zst --data tocsin-data")
def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Files of events, plain, .gz or .zst; merged by time.")
    ],
    form: Annotated[
        str, typer.Option("--format", help="The format of the lines: a name, a YAML file, or auto for each its own.")
    ] = "auto",
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let baselines know the past, before the first `tocsin run`. What history shows is only observed, never paged."""
    from collector.enrich import Enricher
    from stream.salt import fresh_salt
    from stream.sqlite import open_log
    from tocsin.history.files import Reading, size_of
    from tocsin.history.importing import import_history
    from tocsin.progress import bytes_read
    from tocsin.secrecy.encryption import crypt_of
    from tocsin.setup import prepare, reserve
    from tocsin.trials.format_choice import choose_format

    ready = prepare(config, data)
    reading = Reading()
    size = size_of(files)
    space = reserve(ready)
    crypt = crypt_of(ready.masters, ready.data, time.time())
    with (
        open_log(ready.data, reserve_bytes=space, crypt=crypt, salt=fresh_salt) as log,
        bytes_read(size, "importing") as progress,
    ):
        enrich = Enricher(ready.enrich, lambda: ready.directory)
        done = import_history(log, files, choose_format(form), reading, progress=progress, enrich=enrich)
    errors = Console(stderr=True)
    for bad in reading.shown:
        errors.print(f"{bad.file}:{bad.line}: {bad.why}", style="yellow", markup=False, highlight=False)
    for name in reading.jumbled:
        errors.print(f"{name}: not in the order of arrival; read in order of time", style="yellow", markup=False)
    if as_json:
        typer.echo(json.dumps(done._asdict()))
    else:
        text = f"{done.events:,} events from {done.first} to {done.last}, {done.bad_lines:,} bad lines"
        Console().print(text, markup=False, highlight=False)
    if not done.events:
        raise typer.Exit(1)
