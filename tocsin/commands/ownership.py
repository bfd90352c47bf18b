"""`tocsin ownership`: whose data events touch, by the directory's rules."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.commands.options import JsonOption

if TYPE_CHECKING:
    from tocsin.trials.ownership import Ownerships

app = typer.Typer(no_args_is_help=True, help="Try the rules that say whose data a call touches.")

SHOWN = 15
"""Targets that no rule covers, at most."""


@app.callback()
def _group() -> None:
    """Keep `try` a word of its own."""


@app.command("try", epilog="Example: tocsin ownership try calls.ndjson --directory directory.yaml")
def try_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sample: lines, JSON or OTLP, plain, .gz or .zst.")],
    directory: Annotated[
        Path | None, typer.Option("--directory", help="The directory; the configuration's by default.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="A format's name, auto, or a YAML file of your own.")] = "auto",
    limit: Annotated[int, typer.Option(min=0, help="Events that are shown; all are counted.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show for each event whose it would be and by which rule, and what no rule covers.

    Rules over arguments, results and headers see content that a sample carries in `ext`; rules over URIs need none.
    Exit code 1: a rule cannot be used, or no event is covered.
    """
    from tocsin.history.files import size_of
    from tocsin.trials.format_choice import choose_format
    from tocsin.trials.formats import try_file
    from tocsin.trials.ownership import try_rules

    size_of([file])
    found = _directory(directory)
    trial = try_file(file, choose_format(form))
    made = try_rules([(each.number, event) for each in trial.tried for event in each.events], found)
    if as_json:
        typer.echo(json.dumps(_document(file, made, limit)))
    else:
        _show(Console(), made, limit)
    if made.faults or not any(each.covered for each in made.owned):
        raise typer.Exit(1)


def _directory(path: Path | None) -> Any:
    from stream.directory import EMPTY
    from tocsin.config.directory_file import read_directory
    from tocsin.config.whole import load_config

    if path is None:
        loaded = load_config(None)
        path = loaded.path(loaded.config.directory) if loaded.config.directory is not None else None
    return read_directory(path)[0] if path is not None else EMPTY


def _document(file: Path, made: "Ownerships", limit: int) -> dict[str, Any]:
    from tocsin.trials.ownership import described

    return {
        "file": str(file),
        "events": len(made.owned),
        "covered": sum(each.covered for each in made.owned),
        "rules": [
            {"rule": number, "says": described(rule), "used": made.used[number]}
            for number, rule in enumerate(made.rules, 1)
        ],
        "faults": made.faults,
        "uncovered": [
            {"server": server, "target": target, "events": count}
            for (server, target), count in made.uncovered.most_common()
        ],
        "shown": [
            {
                "line": each.number,
                "server": each.event.server,
                "method": each.event.method,
                "target": each.event.target,
                "tenant": each.event.tenant,
                "owners": {owner: list(by) for owner, by in each.owners.items()},
            }
            for each in made.owned[:limit]
        ],
    }


def _show(console: Console, made: "Ownerships", limit: int) -> None:
    from stream.clean import clean_text
    from tocsin.trials.ownership import described

    def say(text: str, style: str = "") -> None:
        console.print(text, markup=False, highlight=False, style=style)

    table = Table(pad_edge=False)
    for column in ("line", "server", "call", "caller's tenant", "owner", "by"):
        table.add_column(column, overflow="fold")
    for each in made.owned[:limit]:
        event = each.event
        call = f"{event.method or event.kind} {clean_text(event.target or '', 80)}"
        owners = "\n".join(map(clean_text, each.owners)) or "nobody known"
        by = "\n".join(", ".join(f"rule {at}" if at else "the event" for at in rules) for rules in each.owners.values())
        cells = (str(each.number), clean_text(event.server, 40), call, event.tenant or "-", owners, by)
        table.add_row(*map(Text, cells))
    if made.owned and limit:
        console.print(table, markup=False, highlight=False)
    if len(made.owned) > limit:
        say(f"and {len(made.owned) - limit:,} more events", "dim")
    covered = sum(each.covered for each in made.owned)
    say(f"{len(made.owned):,} events that touch something, {covered:,} of them with an owner")
    for number, rule in enumerate(made.rules, 1):
        say(f"rule {number} ({clean_text(described(rule), 120)}): {made.used[number]:,} events")
    for fault in made.faults:
        say(f"cannot be used: {fault}", "yellow")
    if not made.rules:
        say("there are no rules: write `ownership:` in the directory, as docs/receipt.md shows", "yellow")
    uncovered = made.uncovered
    for (server, target), count in uncovered.most_common(SHOWN):
        say(f"no rule covers {clean_text(server, 40)} {clean_text(target, 80)}: {count:,} events")
    if len(uncovered) > SHOWN:
        say(f"and {len(uncovered) - SHOWN:,} more targets", "dim")
    if made.owned and not any(each.content for each in made.owned):
        say("the sample carries no content, so rules over arguments, results and headers saw nothing", "dim")
