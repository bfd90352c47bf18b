"""Working on an incident from the command line: its runbook, evidence and scope."""

import getpass
import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.text import Text

from alerting.harmless import harmless
from alerting.words import counted, length, name
from stream.errors import RejectedError
from tocsin.commands.options import ConfigOption, DataOption, JsonOption

Id = Annotated[str, typer.Argument(metavar="ID", help="The incident's id, or the first digits of it.")]
SHOWN = 8
"""Values of one kind that the scope shows."""
_MARKS = {"open": " ", "started": ">", "planned": "~", "done": "x", "skipped": "-"}


def _client(config: Any, data: Any) -> Any:
    from tocsin.client import connect

    return connect(config, data)


def runbook(
    id_: Id,
    run: Annotated[
        str | None, typer.Option(metavar="STEP", help="Run the step's query and show it, or its action.")
    ] = None,
    start: Annotated[str | None, typer.Option(metavar="STEP", help="You are at it.")] = None,
    done: Annotated[str | None, typer.Option(metavar="STEP", help="It is done.")] = None,
    skip: Annotated[str | None, typer.Option(metavar="STEP", help="It is left out; say why with -m.")] = None,
    reopen: Annotated[str | None, typer.Option("--open", metavar="STEP", help="It is to be done again.")] = None,
    plan: Annotated[str | None, typer.Option(metavar="STEP", help="It has an owner and a day.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who does a planned step.")] = None,
    due: Annotated[str | None, typer.Option(help="Until when: 14d, 2026-12-01.")] = None,
    note: Annotated[str, typer.Option("--note", "-m", help="What came of it.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a step's action.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Work on the runbook: see what is done, by whom, what is late and what comes next."""
    wanted = {"started": start, "done": done, "skipped": skip, "open": reopen, "planned": plan}
    chosen = [(state, step) for state, step in wanted.items() if step is not None]
    if len(chosen) + (run is not None) > 1:
        raise RejectedError("one step at a time", hint="--run, --start, --done, --skip, --open or --plan")
    client = _client(config, data)
    if run is not None:
        _run(client, id_, run, ask=not yes, config=config, data=data)
        return
    if chosen:
        state, step = chosen[0]
        if state == "planned" and (owner is None or due is None):
            raise RejectedError("a planned step has an owner and a day", hint="--owner ann --due 14d")
        body = {"state": state, "by": getpass.getuser(), "note": note, "owner": owner, "due": due}
        book = client.post(f"/incidents/{id_}/runbook/{step}", body)
    else:
        book = client.get(f"/incidents/{id_}/runbook")
    if as_json:
        typer.echo(json.dumps(book))
    else:
        _show(Console(), book)


def evidence(
    id_: Id,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    opening: Annotated[int | None, typer.Option(help="Of this opening; the last where it is left out.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Take the evidence that was sealed when the incident opened; `tocsin verify FILE` checks it anywhere."""
    answer = _client(config, data).fetch(f"/incidents/{id_}/evidence", opening=opening)
    try:
        out.write_bytes(answer.content)
    except OSError as error:
        raise RejectedError(f"the file cannot be written ({error.strerror})", where=str(out)) from error
    told = {"file": str(out), "bytes": len(answer.content), "manifest": answer.headers["X-Tocsin-Manifest"]}
    if as_json:
        typer.echo(json.dumps(told))
    else:
        Console().print(Text(f"{out}: {told['bytes']} bytes, manifest {told['manifest']}; check: tocsin verify {out}"))


def scope(id_: Id, as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """Which data, whose, how much, since when, and who else used the same token, source or tool."""
    found: dict[str, Any] = {}
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), console=Console(stderr=True), transient=True
    ) as shown:
        task = shown.add_task("searching the log")
        for line in _client(config, data).lines(f"/incidents/{id_}/scope"):
            if "progress" in line:
                shown.update(task, description=f"searching the log: {line['progress']['frames']:,} frames")
            elif "error" in line:
                raise RejectedError(line["error"], hint=line.get("hint", ""))
            else:
                found = line["scope"]
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _show_scope(Console(), found)


def _run(client: Any, id_: str, step: str, *, ask: bool, config: Any, data: Any) -> None:
    """Run a step's own command in this process, as the operator who asked for it."""
    book = client.get(f"/incidents/{id_}/runbook")
    found = next((one for phase in book["phases"] for one in phase["steps"] if one["id"] == step), None)
    if found is None:
        known = ", ".join(one["id"] for phase in book["phases"] for one in phase["steps"])
        raise RejectedError(f"there is no step '{step[:40]}'", hint=f"there are {known}")
    command = found["query"] or found["action"]
    if command is None:
        raise RejectedError("this step is for a person", hint=harmless(found["text"], 400))
    console = Console(stderr=True)
    console.print(Text(f"$ {command}", "bold"))
    if found["query"] is None and ask and not typer.confirm("This changes something. Do it?", err=True):
        raise typer.Exit(1)
    words = shlex.split(command)[1:]
    words += [word for name, path in (("--config", config), ("--data", data)) if path for word in (name, str(path))]
    body = {"state": "started", "by": getpass.getuser(), "note": f"ran: {command}"}
    if found["state"] not in ("done", "skipped"):
        client.post(f"/incidents/{id_}/runbook/{step}", body)
    from tocsin.cli import app

    app(words, prog_name="tocsin", standalone_mode=False)


def _show(console: Console, book: dict[str, Any]) -> None:
    late = f", {book['late']} late" if book["late"] else ""
    console.print(Text(f"{book['title']}: {book['ended']} of {book['total']} steps{late}", "bold"))
    console.print(Text(f"How to tell: {book['confirm']}"))
    for phase in book["phases"]:
        console.print(Text(f"\n{phase['heading']}", "bold"))
        for step in phase["steps"]:
            state = f" {step['state']} by {harmless(step['by'], 40)} {step['at'][:16]}Z" if step["by"] else ""
            owner = harmless(step["owner"], 40) if step["owner"] else ""
            until = f"late: {step['due'][:16]}Z" if step["late"] else f"until {step['due'][:16]}Z"
            due = f" ({owner or step['who']}, {length(step['minutes'] * 60)}, {until})"
            line = Text(f"  [{_MARKS[step['state']]}] {step['id']}: {step['purpose']}{state}")
            if step["state"] not in ("done", "skipped"):
                line.append(due, "red" if step["late"] else "dim")
            console.print(line)
            if step["note"]:
                console.print(Text(f"      {harmless(step['note'], 300)}", "dim"))
            if step["id"] == book["next"]:
                console.print(Text(f"      {step['text']}"))
                for command in (step["query"], step["action"]):
                    if command:
                        console.print(Text(f"      $ {command}"))
    if book["next"] is not None:
        mark = f"tocsin incident runbook {book['incident'][:12]} --done {book['next']} -m '…'"
        console.print(Text(f"\nmark it:  {mark}   (or --start, --skip, --run)", "dim"))


def _show_scope(console: Console, found: dict[str, Any]) -> None:
    about = (
        ", ".join(f"{key} {harmless(value, 120)}" for key, value in found["about"].items()) or "nobody in particular"
    )
    console.print(Text(f"{about}, since {found['since'][:16]}Z", "bold"))
    if not found["complete"]:
        console.print(Text("the search ended at its bounds: there may be more", "red"))
    console.print(
        Text(
            f"{counted(found['events'], 'event')}, {found['accepted']:,} accepted, "
            f"{found['refused_by_denial']:,} refused by denial; "
            f"{counted(found['rows'], 'row')}, {counted(found['bytes'], 'byte')}"
        )
    )
    last = found["last_accepted"]
    console.print(Text(f"last accepted call: {last[:19]}Z" if last else "no call was accepted"))
    for field, values in found["touched"].items():
        console.print(Text(f"  {field}: {_most(values)}"))
    for field, values in found["others"].items():
        for value, who in list(values.items())[:SHOWN]:
            callers = {name(other.partition(" ")[2] or other): number for other, number in who.items()}
            console.print(Text(f"  others with {field} {harmless(value, 80)}: {_most(callers)}"))
    console.print(Text("all of it: --json", "dim"))


def _most(counts: dict[str, int]) -> str:
    shown = ", ".join(f"{harmless(value, 80)} ({number:,})" for value, number in list(counts.items())[:SHOWN])
    more = len(counts) - SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def add_to(app: typer.Typer) -> None:
    """Put these beside the other commands about incidents."""
    app.command(epilog="Example: tocsin incident runbook 3f9ab2c1 --done save-evidence -m 'on the share'")(runbook)
    app.command(epilog="Example: tocsin incident evidence 3f9ab2c1 --out evidence.zip")(evidence)
    app.command(epilog="Example: tocsin incident scope 3f9ab2c1")(scope)
