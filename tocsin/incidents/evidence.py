"""Evidence of an incident on a terminal: whether it is what was sealed, and what is in it."""

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from alerting.harmless import harmless
from alerting.response.archive import check
from stream.errors import DamagedError, RejectedError


def show_evidence(path: Path, *, as_json: bool) -> None:
    """Verify an archive and say so; exit code 1 where it is not what was sealed."""
    try:
        told = check(path)
    except (DamagedError, RejectedError) as error:
        if as_json:
            typer.echo(json.dumps({"ok": False, "where": str(path), "what": error.what}))
        else:
            Console().print(Text(str(error), "bold red"))
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"ok": True, **told}))
        return
    console = Console()
    short = harmless(told["incident"][:12], 12)
    opening = f", opening {told['opening']}" if told["opening"] > 1 else ""
    console.print(
        Text(
            f"evidence of incident {short}{opening}, sealed {harmless(told['sealed'], 30)}",
            "green",
        )
    )
    for name, size in told["files"].items():
        console.print(Text(f"  {harmless(name, 80)}: {size:,} bytes, as sealed"))
    if told["cut"]:
        console.print(Text("there were more events than one archive holds", "yellow"))
    console.print(Text(f"manifest {told['digest']}"))
    console.print(Text("the incident's timeline, which the ledger seals, must name the same manifest", "dim"))
