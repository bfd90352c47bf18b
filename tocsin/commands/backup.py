"""`tocsin backup`: one file from which everything can be restored."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer()


@app.command(epilog="Example: tocsin backup --out /backup/tocsin-2026-11-20.backup")
def backup(
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write; one that is there is left alone.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Copy the data directory into one file, also while Tocsin runs: all that it goes on from.

    With `encrypt:` configured it is encrypted. The master key and what the configuration names are not in it, nor is
    what lies in PostgreSQL or on Kafka.
    """
    from tocsin.backup.backing_up import back_up, size_of
    from tocsin.progress import bytes_read
    from tocsin.setup import prepare

    ready = prepare(config, data)
    with bytes_read(size_of(ready.data), "backing up") as progress:
        made = back_up(ready.data, out, time.time(), ready.masters[0] if ready.masters else None, progress)
    apart = not ready.database.startswith("sqlite")
    if as_json:
        typer.echo(json.dumps({"file": str(out), **made._asdict(), "incidents": not apart}))
        return
    console = Console()
    console.print(Text(f"{out}: {made.files} files, {made.size:,} bytes{', encrypted' if made.encrypted else ''}"))
    if not made.encrypted:
        console.print(Text("it holds keys in plain: keep it as safe as the data directory, or set encrypt:", "yellow"))
    if apart:
        console.print(Text("incidents lie in PostgreSQL, which has its own backup: make it before this one", "yellow"))
    console.print(Text(f"restore it with: tocsin restore {out} --data DIRECTORY", "dim"))
