"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file (default: ./tocsin.yaml if it is there).")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", "-d", help="Data directory (default: as configured, ./tocsin-data).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for machines.")]
