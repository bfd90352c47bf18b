"""`tocsin restore`: a data directory from a backup."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tocsin.commands.options import ConfigOption, JsonOption

app = typer.Typer()


@app.command(epilog="Example: tocsin restore /backup/tocsin-2026-11-20.backup --data tocsin-data")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")],
    data: Annotated[Path, typer.Option("--data", "-d", help="The data directory to make; never overwritten.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make a data directory from a backup; every file is checked, and it is there as a whole or not at all.

    Then `tocsin verify` proves it. Give producers the same address again: what they send twice counts once.
    """
    from stream.errors import StorageError
    from tocsin.backup.restoring import restore as bring_back
    from tocsin.config.faults import Fault, FaultsError
    from tocsin.config.whole import load_config
    from tocsin.progress import shares_done
    from tocsin.secrecy.encryption import masters_of

    faults: list[Fault] = []
    masters = masters_of(load_config(config), faults)
    if faults:
        raise FaultsError(faults)
    try:
        size = max(1, file.stat().st_size)
    except OSError as error:
        raise StorageError(f"the backup cannot be read ({error.strerror})", where=str(file)) from error
    with shares_done("restoring") as progress:
        done = bring_back(file, data, masters, lambda at: progress(at / size, ""))
    if as_json:
        told = {"data": str(data), "files": done.files, "size": done.size, "made": done.head.made, "by": done.head.by}
        typer.echo(json.dumps(told))
        return
    console = Console()
    console.print(Text(f"{data}: {done.files} files, {done.size:,} bytes, as of {done.head.made[:19]}Z"))
    console.print(Text(f"prove it with: tocsin verify --data {data}", "dim"))
