"""`tocsin inspect`: what inspection sees in a sample, and how right it is on labelled ones."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.commands.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from tocsin.trials.inspection import Inspected

app = typer.Typer()


@app.command("inspect", epilog="Example: tocsin inspect calls.ndjson --config tocsin.yaml")
def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A sample, plain, .gz or .zst, or a labelled corpus folder.")
    ],
    form: Annotated[str, typer.Option("--format", help="A format's name, auto, or a YAML file of your own.")] = "auto",
    config: ConfigOption = None,
    limit: Annotated[int, typer.Option(min=0, help="Events that are shown; all are counted.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what inspection would see in a sample's content, and where.

    Arguments, results and tool definitions are read from `ext` as they would be at receipt. Of a corpus with labels it
    also says how many benign events seem wrong, and how many incidents show. Exit code 1: there was nothing to look at.
    """
    from collector.inspection.inspector import Inspector
    from tocsin.config.whole import load_config
    from tocsin.history.files import size_of
    from tocsin.receiving.enriching import inspector_of
    from tocsin.trials.format_choice import choose_format
    from tocsin.trials.inspection import inspect_file

    if not file.is_dir():
        size_of([file])
    inspector = inspector_of(load_config(config).config.inspection) or Inspector()
    made = inspect_file(file, choose_format(form), inspector)
    if as_json:
        typer.echo(json.dumps(_document(file, made, limit)))
    else:
        _show(Console(), made, limit)
    if not made.looks:
        raise typer.Exit(1)


def _document(file: Path, made: "Inspected", limit: int) -> dict[str, Any]:
    shown = [look for look in made.looks if look.signals][:limit]
    document: dict[str, Any] = {
        "file": str(file),
        "events": made.events,
        "with_content": len(made.looks),
        "refused": made.refused,
        "signals": dict(made.counts.most_common()),
        "shown": [
            {
                "id": look.event.id,
                "server": look.event.server,
                "method": look.event.method,
                "target": look.event.target,
                "signals": list(look.signals),
                "seen": {seen.name: seen.path for seen in look.seen},
            }
            for look in shown
        ],
    }
    if made.score is not None:
        score = made.score
        document["score"] = {
            "benign": score.benign,
            "flagged": score.flagged,
            "false_rate": score.false_rate,
            "classes": {name: {"shown": hit, "of": total} for name, (hit, total) in sorted(score.classes.items())},
            "missed": score.missed,
        }
    return document


def _show(console: Console, made: "Inspected", limit: int) -> None:
    from stream.clean import clean_text

    table = Table(pad_edge=False)
    for column in ("event", "server", "call", "signal", "where"):
        table.add_column(column, overflow="fold")
    shown = [look for look in made.looks if look.signals]
    for look in shown[:limit]:
        event = look.event
        call = f"{event.method or event.kind} {clean_text(event.target or '', 60)}"
        where = {seen.name: seen.path for seen in look.seen}
        for at, signal in enumerate(look.signals):
            first = (event.id or "-", clean_text(event.server, 40), call) if at == 0 else ("", "", "")
            # Texts, since a name between colons or brackets would be read as more than it is.
            table.add_row(*map(Text, (*first, signal, clean_text(where.get(signal, ""), 80))))
    if shown and limit:
        console.print(table, markup=False, highlight=False)

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    if len(shown) > limit:
        say(f"and {len(shown) - limit:,} more events with signals")
    told = f"{len(made.looks):,} with content, {len(shown):,} with signals, {made.refused:,} refused"
    say(f"{made.events:,} events, {told}")
    if made.counts:
        say("signals: " + ", ".join(f"{name} {count:,}" for name, count in made.counts.most_common()))
    if not made.looks:
        say("nothing to look at: content is expected in ext.arguments, ext.result or ext.tools")
    if made.score is not None:
        score = made.score
        say(f"benign events that seem wrong: {len(score.flagged)} of {score.benign} ({score.false_rate:.1%})")
        for name, (hit, total) in sorted(score.classes.items()):
            say(f"incidents of {name} that show: {hit} of {total}")
        if score.missed:
            say("not shown: " + ", ".join(score.missed))
