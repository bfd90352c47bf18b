"""`tocsin contain`: refuse callers at middleware and proxies, revoke tokens, and act elsewhere."""

import getpass
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from alerting.harmless import harmless
from stream.errors import RejectedError
from tocsin.commands.options import ConfigOption, DataOption, JsonOption

SUBJECTS = "user, client, agent, tenant, token, source_ip, target, server"


class _Group(TyperGroup):
    """Takes `tocsin contain ID …` for `tocsin contain incident ID …`."""

    default = "incident"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name in front of an incident's id."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group, help="Cut callers off: refuse them at once, revoke tokens, act elsewhere.", no_args_is_help=True
)

Reason = Annotated[str, typer.Option("--reason", "-m", help="Why, for the timeline.")]


def _client(config: Any, data: Any) -> Any:
    from tocsin.client import connect

    return connect(config, data)


@app.command(epilog="Example: tocsin contain incident 3f9ab2c1 --deny source_ip=203.0.113.9 --for 4h --dry-run")
def incident(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The incident's id, or the first digits of it.")],
    deny: Annotated[
        list[str] | None,
        typer.Option("--deny", metavar="KEY=VALUE", help=f"Whom to refuse; given twice both must hold: {SUBJECTS}."),
    ] = None,
    length: Annotated[str, typer.Option("--for", help="For how long: 30m, 4h, 2d.")] = "4h",
    action: Annotated[str | None, typer.Option("--action", help="Do a configured action elsewhere.")] = None,
    value: Annotated[str | None, typer.Option("--value", help="What the action is given as `value`.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the action back.")] = False,
    revoke: Annotated[str | None, typer.Option("--revoke", metavar="ISSUER", help="Revoke a token there.")] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="The file with the token to revoke; - is standard input.")
    ] = None,
    reason: Reason = "",
    force: Annotated[bool, typer.Option("--force", help="Refuse an unverified identity, or everybody there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Cut somebody off for an incident; everything stands in its timeline, and what can be taken back says how."""
    if sum(one is not None for one in (deny, action, revoke)) != 1:
        raise RejectedError("say one of --deny, --action and --revoke", hint="tocsin contain ID --deny source_ip=…")
    client, me = _client(config, data), getpass.getuser()
    console = Console()
    if deny is not None:
        body = {"subject": _subject(deny), "for": length, "by": me, "why": reason, "force": force, "dry_run": dry_run}
        told = client.post(f"/incidents/{id_}/deny", body)
        show = _show_dry if dry_run else _show_made
    elif action is not None:
        body = {"by": me, "value": value, "dry_run": dry_run, "undo": undo}
        told = client.post(f"/incidents/{id_}/actions/{action}", body)
        show = _show_action
    else:
        body = {"issuer": revoke, "token": _token(token_file, dry_run=dry_run), "by": me, "dry_run": dry_run}
        told = client.post(f"/incidents/{id_}/revoke", body)
        show = _show_action
    if as_json:
        typer.echo(json.dumps(told))
    else:
        show(console, told)
    if told.get("state") == "failed":
        raise typer.Exit(1)


@app.command("list", epilog="Example: tocsin contain list --stopped")
def list_(
    incident_: Annotated[str | None, typer.Option("--incident", help="Of this incident alone.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    stopped: Annotated[bool, typer.Option("--stopped", help="Look when each was last accepted.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Who is refused, until when, and how many producers confirmed it."""
    query = {"incident": incident_, "state": "all" if all_ else None, "stopped": "yes" if stopped else None}
    found = _client(config, data).get("/denials", **query)
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    if not found:
        console.print("nobody is refused")
        return
    for one in found:
        end = f"until {one['until'][:16]}Z" if one["state"] == "holding" else f"since {one['at'][:16]}Z"
        why = f": {harmless(one['why'], 200)}" if one["why"] else ""
        by = f"by {harmless(one['by'], 40)} for incident {one['incident'][:12]}"
        console.print(Text(f"{one['id'][:12]}  {_whom(one['subject'])}", "bold"))
        console.print(Text(f"  {one['state']} {end}, {by}{why}"))
        if one["producers"] is not None:
            waits = f", waiting for {harmless(one['waiting_for'][0], 80)}" if one["waiting_for"] else ""
            console.print(Text(f"  confirmed by {one['confirmed']} of {one['producers']} producers{waits}"))
        if stopped:
            console.print(Text(f"  {_stopped(one)}"))


@app.command(epilog='Example: tocsin contain lift 77ab01fe -m "it was the auditor"')
def lift(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The denial's id, or the first digits of it.")],
    reason: Reason = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Refuse somebody no longer."""
    told = _client(config, data).post(f"/denials/{id_}/lift", {"by": getpass.getuser(), "why": reason})
    if as_json:
        typer.echo(json.dumps(told))
    else:
        Console().print(Text(f"{_whom(told['subject'])} is no longer refused"))


@app.command(epilog="Example: tocsin contain asked")
def asked(as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """Actions elsewhere that somebody asked for and somebody else has to approve."""
    found = _client(config, data).get("/approvals")
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    if not found:
        console.print("nothing waits for approval")
    for one in found:
        value = f" with {harmless(one['result'], 120)}" if one["result"] else ""
        who = f"asked for by {harmless(one['by'], 40)} at {one['at'][:16]}Z for incident {one['incident'][:12]}"
        console.print(Text(f"{one['id'][:12]}  {harmless(one['action'], 80)}{value}", "bold"))
        console.print(Text(f"  {who}"))


@app.command(epilog='Example: tocsin contain approve 4c1d22 -m "spoke with the owner"')
def approve(
    id_: Annotated[str, typer.Argument(metavar="ID", help="What waits, as `tocsin contain asked` names it.")],
    decline: Annotated[bool, typer.Option("--decline", help="It is not done.")] = False,
    reason: Reason = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Have an action done that somebody else asked for; it is done, verified and written down at once."""
    body = {"by": getpass.getuser(), "why": reason, "decline": decline}
    told = _client(config, data).post(f"/approvals/{id_}", body)
    if as_json:
        typer.echo(json.dumps(told))
    else:
        _show_action(Console(), told)
    if told["state"] == "failed":
        raise typer.Exit(1)


def _subject(said: list[str]) -> dict[str, str]:
    subject = {}
    for one in said:
        key, equals, value = one.partition("=")
        if not equals or not value:
            raise RejectedError(f"'{one[:60]}' is nobody", hint=f"write KEY=VALUE with {SUBJECTS}")
        subject[key.strip()] = value.strip()
    return subject


def _token(path: Path | None, *, dry_run: bool) -> str:
    if dry_run:
        return ""
    if path is None:
        raise RejectedError("the token comes from a file", hint="--token-file FILE, or - for standard input")
    try:
        return (sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RejectedError(f"the token's file cannot be read ({error})", where=str(path)) from error


def _whom(subject: dict[str, str]) -> str:
    return " and ".join(f"{key} {harmless(value, 120)}" for key, value in subject.items())


def _stopped(one: dict[str, Any]) -> str:
    last = one.get("last_accepted")
    return f"last accepted {last[:19]}Z" if last else f"no accepted call since {one['at'][:19]}Z"


def _show_dry(console: Console, told: dict[str, Any]) -> None:
    console.print(Text(f"would refuse {_whom(told['subject'])} until {told['until'][:16]}Z"))
    least = "" if told["complete"] else "at least "
    callers = ", ".join(harmless(caller, 80) for caller in told["callers_24h"]) or "nobody"
    console.print(
        Text(f"in the last 24 hours that was {least}{told['accepted_calls_24h']} accepted calls, by {callers}")
    )


def _show_made(console: Console, told: dict[str, Any]) -> None:
    console.print(Text(f"refused until {told['until'][:16]}Z: {_whom(told['subject'])} (denial {told['id'][:12]})"))
    console.print(Text(f"see who confirms it with `tocsin contain list`; undo: tocsin contain lift {told['id'][:12]}"))


def _show_action(console: Console, told: dict[str, Any]) -> None:
    if told.get("dry_run"):
        console.print(Text(json.dumps({key: one for key, one in told.items() if key != "dry_run"}, indent=2)))
        return
    console.print(Text(f"{told['action']}: {told['state']}: {harmless(told['result'], 300)}"))
    if told["state"] == "asked":
        console.print(Text(f"another person has it done with tocsin contain approve {told['id'][:12]}"))
