"""`tocsin check`: whether the configuration can start."""

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

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
        from tocsin.roles.start import warnings_of
        from tocsin.secrecy.encryption import UNENCRYPTED

        console = Console()
        for warning in (*(() if ready.masters else (UNENCRYPTED,)), *warnings_of(ready)):
            console.print(Text(f"warning: {warning}", "yellow"))
        console.print(f"[green]fine[/] {ready.loaded.document.file}")
