"""`tocsin check`: whether the configuration can start."""

from typing import Annotated

import typer
from rich.console import Console

from tocsin.commands.options import ConfigOption

app = typer.Typer()


@app.command(epilog="Example: tocsin check --config tocsin.yaml")
def check(
    config: ConfigOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing where all is well.")] = False,
) -> None:
    """Read the configuration, the directory and every secret, and say every fault at once."""
    from tocsin.setup import prepare

    ready = prepare(config)
    if not quiet:
        console = Console()
        console.print(f"[green]fine[/] {ready.loaded.document.file}")
