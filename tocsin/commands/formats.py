"""`tocsin formats`: what can be read, and what a format makes of a sample."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.commands.options import JsonOption

if TYPE_CHECKING:
    from tocsin.trials.formats import Trial, Tried

app = typer.Typer(no_args_is_help=True, help="Read what other gateways and servers log, and see what it can tell.")

STDIN = Path("-")
SHOWN = 40
"""Names of values that are left, at most."""


@app.command("list", epilog="Example: tocsin formats list --json")
def list_(as_json: JsonOption = False) -> None:
    """Print every format and what its source can tell: the coverage matrix."""
    from tocsin.trials.format_matrix import COLUMNS, rows

    found = rows()
    if as_json:
        typer.echo(json.dumps([row._asdict() for row in found]))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("format", no_wrap=True)
    table.add_column("reads", ratio=2)
    table.add_column("can tell", ratio=3)
    for row in found:
        told = " ".join(column for column in COLUMNS if row.told[column])
        table.add_row(row.name, Text(f"{row.title}{' (sampled)' if row.sampled else ''}"), told or "nothing")
    console = Console()
    console.print(table, markup=False, highlight=False)
    console.print(
        f"columns: {' '.join(COLUMNS)}\ndocs/formats.md says what each source cannot show; "
        "`tocsin formats try FILE` tries one.",
        style="dim",
        highlight=False,
    )


@app.command("try", epilog="Example: tocsin formats try - --format ./our-gateway.yaml < gateway.log")
def try_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A sample: lines, JSON or OTLP, plain, .gz or .zst; - for standard input."),
    ],
    form: Annotated[str, typer.Option("--format", help="A format's name, auto, or a YAML file of your own.")] = "auto",
    limit: Annotated[int, typer.Option(min=0, help="Records that are shown; all are counted.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what a format makes of a sample: events beside their records, what is left over, what is refused and why."""
    from tocsin.history.files import size_of
    from tocsin.trials.format_choice import choose_format
    from tocsin.trials.format_matrix import covered
    from tocsin.trials.formats import try_file, try_stream

    if file != STDIN:
        size_of([file])
    trial = try_file(file, choose_format(form)) if file != STDIN else try_stream(sys.stdin.buffer, choose_format(form))
    coverage = covered(trial.events)
    if as_json:
        typer.echo(json.dumps(_document(file, trial, coverage, limit)))
    else:
        _show(Console(), trial, coverage, limit)
    if not trial.events:
        raise typer.Exit(1)


def _document(file: Path, trial: "Trial", coverage: dict[str, float], limit: int) -> dict[str, Any]:
    tried = trial.tried
    return {
        "file": str(file),
        "records": len(tried),
        "events": len(trial.events),
        "refused": sum(each.error is not None for each in tried),
        "silent": sum(not each.events and each.error is None for each in tried),
        "formats": _counts(tried),
        "coverage": coverage,
        "left": dict(trial.left.most_common()),
        "shown": [_record(each) for each in tried[:limit]],
    }


def _record(tried: "Tried") -> dict[str, Any]:
    from tocsin_audit.event import to_wire

    error = tried.error
    return {
        "line": tried.number,
        "format": tried.form,
        "events": [json.loads(to_wire(event)) for event in tried.events],
        "error": None
        if error is None
        else {"reason": error.reason, "field": error.where, "what": error.what, "hint": error.hint},
        "left": list(tried.left),
    }


def _counts(tried: "list[Tried]") -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in tried:
        if each.events:
            counts[each.form] = counts.get(each.form, 0) + 1
    return counts


def _show(console: Console, trial: "Trial", coverage: dict[str, float], limit: int) -> None:
    from stream.clean import clean_text

    tried = trial.tried
    table = Table(pad_edge=False, show_lines=True)
    table.add_column("line", justify="right")
    table.add_column("record", ratio=2, overflow="fold")
    table.add_column("event", ratio=3, overflow="fold")
    for each in tried[:limit]:
        shown = clean_text(each.record.decode(errors="replace"), 600)
        table.add_row(str(each.number), Text(shown), _result(each))
    if tried and limit:
        console.print(table)
    if len(tried) > limit:
        console.print(f"and {len(tried) - limit:,} more records", style="dim")
    refused = [each for each in tried if each.error is not None]
    silent = sum(not each.events and each.error is None for each in tried)
    by_format = ", ".join(f"{name} {count:,}" for name, count in _counts(tried).items())
    console.print(
        f"{len(tried):,} records: {len(trial.events):,} events{f' ({by_format})' if by_format else ''}, "
        f"{silent:,} that say nothing, {len(refused):,} refused",
        markup=False,
        highlight=False,
    )
    if trial.left:
        names = [f"{clean_text(name, 80)} ({count})" for name, count in trial.left.most_common(SHOWN)]
        more = f", and {len(trial.left) - SHOWN} more" if len(trial.left) > SHOWN else ""
        console.print(f"not taken over: {', '.join(names)}{more}", markup=False, highlight=False)
    if coverage:
        line = " · ".join(f"{column} {share:.0%}" for column, share in coverage.items())
        console.print(f"coverage: {line}", markup=False, highlight=False)
    elif not tried:
        console.print("the file has no records", style="yellow")
    else:
        hint = "no event came of it; `tocsin formats list` names the formats, and a YAML file describes another"
        console.print(hint, style="yellow", markup=False, highlight=False)


def _result(tried: "Tried") -> Text:
    from tocsin_audit.event import items, rfc3339

    shown = Text(tried.form, style="bold")
    for event in tried.events:
        shown.append("\n")
        for name, value in items(event):
            if name in ("v", "received", "late", "skewed") or value is False or value == 0.0:
                continue
            said = rfc3339(value) if name == "time" else bytes(value).decode() if name in _RAW else str(value)
            shown.append(f"\n{name}: ", style="dim")
            shown.append(said)
    if tried.error is not None:
        error = tried.error
        where = f"{error.where}: " if error.where else ""
        shown.append(f"\nrefused ({error.reason}): {where}{error.what}", style="yellow")
        shown.append(f"\n{error.hint}" if error.hint else "", style="dim")
    elif not tried.events:
        shown.append("\nsays nothing of MCP", style="dim")
    return shown


_RAW = frozenset({"ext", "change", "manifest"})
