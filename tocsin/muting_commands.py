"""What `tocsin silence` and `tocsin exception` have in common: add, list, preview and end."""

import getpass
import json
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.harmless import harmless
from alerting.words import counted
from tocsin.commands.options import ConfigOption, DataOption, JsonOption

_CONDITION: Final = "tenant=acme, class=brute,spray, severity>=high, user!=*|etl; give it again for each more."

Where = Annotated[list[str], typer.Option("--where", "-w", metavar="CONDITION", help=_CONDITION)]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why, for everybody who lists it: a ticket, a name.")]
Owner = Annotated[str | None, typer.Option(help="Whom to ask about it; you, where it is left out.")]
Start = Annotated[str | None, typer.Option(help="From when: 2026-11-20T08:00:00Z; now where it is left out.")]
Force = Annotated[
    bool, typer.Option("--force", help="Cover classes that must never be silent, too; takes an administrator.")
]


def muting(kind: str, *, help_: str, until: str, for_help: str, example: str) -> typer.Typer:
    """The commands about silences or exceptions."""
    app = typer.Typer(help=help_, no_args_is_help=True)
    until_option = Annotated[str, typer.Option("--for", "--until", help=for_help)]

    @app.command(
        epilog=f"Example: tocsin {kind} add {example}", help=f"Make one {kind}; says what it would have hidden."
    )
    def add(
        where: Where,
        reason: Reason,
        until: until_option = until,
        owner: Owner = None,
        start: Start = None,
        force: Force = False,
        as_json: JsonOption = False,
        config: ConfigOption = None,
        data: DataOption = None,
    ) -> None:
        client = _client(config, data)
        body = _body(kind, where, reason, until, owner, start, force)
        seen = client.post("/silences/preview", body)
        made = client.post("/silences", body)
        if as_json:
            typer.echo(json.dumps({**made, "preview": seen}))
            return
        console = Console()
        console.print(
            Text(
                f"{kind} {made['id'][:12]} holds until {made['until'][:19]}Z; undo: tocsin {kind} end {made['id'][:12]}"
            )
        )
        if made["forced"]:
            console.print(
                Text("FORCED: it covers what must never be silent, too, and every listing says so", "bold red")
            )
        _show(console, seen)

    @app.command(
        epilog=f"Example: tocsin {kind} preview --where tenant=acme --where class=brute",
        help="What it would have hidden in the last 30 days.",
    )
    def preview(
        where: Where,
        reason: Annotated[str, typer.Option("--reason", "-m", help="Why.")] = "preview",
        force: Force = False,
        as_json: JsonOption = False,
        config: ConfigOption = None,
        data: DataOption = None,
    ) -> None:
        seen = _client(config, data).post("/silences/preview", _body(kind, where, reason, "1h", None, None, force))
        if as_json:
            typer.echo(json.dumps(seen))
        else:
            _show(Console(), seen)

    @app.command("list", epilog=f"Example: tocsin {kind} list", help="Those that hold, or all that ever were.")
    def list_(
        all_: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
        as_json: JsonOption = False,
        config: ConfigOption = None,
        data: DataOption = None,
    ) -> None:
        found = _client(config, data).get("/silences", kind=kind, state="all" if all_ else "holding")
        if as_json:
            typer.echo(json.dumps(found))
            return
        console = Console()
        if not found:
            console.print(f"no {kind}s")
            return
        table = Table(box=None, pad_edge=False)
        for heading in ("id", "state", "until", "owner", "held back", "where", "reason"):
            table.add_column(heading, overflow="fold")
        for one in found:
            why = ("FORCED: " if one["forced"] else "") + harmless(one["reason"], 200)
            where = " and ".join(harmless(condition, 200) for condition in one["where"])
            table.add_row(
                one["id"][:12],
                one["state"],
                f"{one['until'][:16]}Z",
                Text(harmless(one["owner"], 60)),
                str(one["held"]),
                Text(where),
                Text(why),
            )
        console.print(table)

    @app.command(epilog=f"Example: tocsin {kind} end 3f9ab2c1", help="End it now; what comes next is told again.")
    def end(
        id_: Annotated[str, typer.Argument(metavar="ID", help="Its id, or the first digits of it.")],
        as_json: JsonOption = False,
        config: ConfigOption = None,
        data: DataOption = None,
    ) -> None:
        ended = _client(config, data).post(f"/silences/{id_}/end", {"by": getpass.getuser()})
        if as_json:
            typer.echo(json.dumps(ended))
        else:
            Console().print(Text(f"{kind} {ended['id'][:12]} ended; it held back {ended['held']} findings"))

    return app


def _client(config: Any, data: Any) -> Any:
    from tocsin.client import connect

    return connect(config, data)


def _body(
    kind: str, where: list[str], reason: str, until: str, owner: str | None, start: str | None, force: bool
) -> dict[str, Any]:
    me = getpass.getuser()
    body: dict[str, Any] = {"kind": kind, "where": where, "until": until, "reason": reason, "by": me, "forced": force}
    return {**body, "owner": owner or me} | ({"start": start} if start is not None else {})


def _show(console: Console, seen: dict[str, Any]) -> None:
    spared = seen["pages_before"] - seen["pages_after"]
    console.print(
        Text(
            f"in the last 30 days it would have held back {seen['findings']} of "
            f"{counted(seen['looked_at'], 'finding')} in {counted(seen['incidents'], 'incident')}, "
            f"and {spared} of {counted(seen['pages_before'], 'page')}"
        )
    )
    for name, count in seen["classes"].items():
        console.print(Text(f"  {count:6} {name}"))
    for one in seen["examples"]:
        console.print(Text(f"  {one['time'][:16]}Z {one['class']}: {harmless(one['title'], 120)}"))
    if seen["spared"]:
        console.print(Text(f"told all the same, since they must never be silent: {', '.join(seen['spared'])}"))
