"""`tocsin drill`: rehearse the way from a finding to those who must act on it."""

import getpass
import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from alerting.harmless import harmless
from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer()

_MARKS = {True: ("ok", "green"), False: ("FAILED", "bold red"), None: ("", "")}


@app.command(epilog="Example: tocsin drill spray --tenant acme --page")
def drill(
    class_: Annotated[
        str, typer.Argument(metavar="[CLASS]", help="What is rehearsed: its runbook, and where it would go.")
    ] = "drill",
    tenant: Annotated[str | None, typer.Option(help="As if it were this tenant's.")] = None,
    severity: Annotated[str, typer.Option(help="As if it were this severe.")] = "high",
    page: Annotated[bool, typer.Option("--page", help="Really wake people, and wait until somebody takes it.")] = False,
    wait: Annotated[str, typer.Option(help="How long each sink may take: 30s, 5m.")] = "60s",
    acknowledge: Annotated[str, typer.Option(help="With --page, how long it may take somebody; 0s: no wait.")] = "15m",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """A rehearsal, marked as one: did it become an incident, who was told by which sink, how fast; then it is resolved.

    It counts for no budget, precision or risk, and nobody is woken without --page. The exit code is 1 where anything
    failed.
    """
    from tocsin.client import connect

    body = {
        "class": class_,
        "tenant": tenant,
        "severity": severity,
        "page": page,
        "by": getpass.getuser(),
        "wait": wait,
        "acknowledge": acknowledge,
    }
    console = Console()
    steps: list[dict[str, Any]] = []
    result: dict[str, Any] = {"ok": False, "failed": ["Tocsin ended before the drill did"]}
    for line in connect(config, data).lines("/drills", body):
        if "result" in line:
            result = line["result"]
        elif "step" in line:
            steps.append(line)
            if not as_json:
                _show(console, line)
    if as_json:
        typer.echo(json.dumps({**result, "steps": steps}))
    else:
        _show_result(console, result)
    if not result["ok"]:
        raise typer.Exit(1)


def _show(console: Console, step: dict[str, Any]) -> None:
    word, style = _MARKS[step["ok"]]
    console.print(
        Text.assemble((f"{step['seconds']:8.2f} s  ", "dim"), (f"{word:6}  ", style), harmless(step["words"], 400))
    )


def _show_result(console: Console, result: dict[str, Any]) -> None:
    if result["ok"]:
        woken = "" if result["page"] else "; nobody was woken, which --page does"
        console.print(Text(f"the drill arrived everywhere in {result['seconds']:.1f} s{woken}", "green"))
        return
    for why in result["failed"]:
        console.print(Text(f"failed: {harmless(why, 400)}", "bold red"))
