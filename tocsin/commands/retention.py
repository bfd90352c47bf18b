"""`tocsin retention`: how long data are kept, and removing what is due."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer(no_args_is_help=True, help="How long data are kept; each night what is due goes by itself.")


@app.command(epilog="Example: tocsin retention show")
def show(as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """The days by class and tenant, when what is due goes next, and every removal that was."""
    from alerting.harmless import harmless
    from tocsin.client import connect

    told = connect(config, data).get("/retention")
    if as_json:
        typer.echo(json.dumps(told))
        return
    console = Console()
    policy = told["policy"]
    days = {name: value for name, value in policy.items() if name not in ("hour", "tenants")}
    for whose, said in {"everybody": days, **policy["tenants"]}.items():
        listed = ", ".join(f"{name} {count} days" for name, count in said.items()) or "kept for good"
        console.print(Text(f"{harmless(whose, 60)}: {listed}"))
    if told["next"]:
        console.print(Text(f"next: {told['next'][:16]}Z"))
    for job in told["jobs"]:
        removed = ", ".join(f"{count:,} {name}" for name, count in (job.get("removed") or {}).items() if count)
        ended = "interrupted, carried out as far as it was noted" if job.get("interrupted") else removed or "nothing"
        console.print(Text(f"{job['time'][:19]}Z {job['why']} by {harmless(job.get('by', '-'), 40)}: {ended}"))
    if not told["jobs"]:
        console.print("nothing was ever removed")


@app.command(epilog="Example: tocsin retention run --dry-run")
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Remove what is due now, as each night; each removal is noted in the ledger before it is done."""
    from tocsin.client import connect
    from tocsin.removal.view import steps_of, tell

    lines = connect(config, data).lines("/retention/run", {"dry_run": dry_run})
    tell(steps_of(lines, "removing what is due"), dry=dry_run, as_json=as_json, nothing="nothing is due")
