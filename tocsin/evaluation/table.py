"""The report in a terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tocsin.evaluation.interval import Estimate, Share
from tocsin.evaluation.report import Change, Report
from tocsin.evaluation.score import Row, Score


def print_report(report: Report, console: Console) -> None:
    """Print every score, then what changed and what is worse than committed."""
    for score in report.scores:
        console.print(_classes(score))
        console.print(_facts(score))
    for change in report.changes:
        console.print(_change(change))
    for note in report.notes:
        console.print(f"[yellow]note[/] {escape(note)}")
    for worse in report.regressions:
        console.print(
            f"[red]worse[/] {escape(worse.corpus)}: {escape(worse.figure)} is {worse.now:.4g}, "
            f"committed {worse.committed:.4g}, limit {worse.limit:.4g}"
        )


def _classes(score: Score) -> Table:
    digest = (score.digest or "no digest")[:12]
    title = (
        f"{escape(score.corpus)}: {score.events:,} events, {score.days:.1f} days, seed {score.seed}, {escape(digest)}"
    )
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("class", no_wrap=True)
    for name in ("n", "recall", "page recall", "delay, p95", "events"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in score.classes.items():
        table.add_row(escape(name), *_cells(row))
        for part, it in (*_parts(score.scenarios, name), *_parts(score.grades, name)):
            table.add_row(f"  {escape(part)}", *_cells(it), style="dim")
    table.add_section()
    table.add_row("all", *_cells(score.all))
    return table


def _parts(rows: dict[str, Row], class_: str) -> list[tuple[str, Row]]:
    parts = [(key.partition("/")[2], row) for key, row in rows.items() if key.startswith(f"{class_}/")]
    return sorted(parts, key=lambda it: _ORDER.index(it[0]) if it[0] in _ORDER else -1) if len(parts) > 1 else []


_ORDER = ("easy", "medium", "hard")


def _facts(score: Score) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("findings ≥ medium", f"{score.findings}, precision {_share(score.precision)}")
    table.add_row(
        "false findings",
        f"{_estimate(score.false_per_day)} a day, {score.false_per_10k:.2f} per 10,000 events; "
        f"{score.related} of them about an incident, by another class {_named(score.false_by_class)}",
    )
    table.add_row("pages", f"{score.pages}, precision {_share(score.page_precision)}")
    table.add_row("pages per 12-hour shift", f"{_estimate(score.pages_per_shift)}, busiest {score.busiest_shift}")
    table.add_row("false pages a week", f"{_estimate(score.false_pages_per_week)} {_named(score.false_pages_by_class)}")
    budgets = ", ".join(f"{budget}: {_share(it, plain=True)}" for budget, it in score.recall_at_budget.items())
    table.add_row("recall at false pages per shift", budgets)
    drawn = ", ".join(
        f"{name} ({row.with_findings} with findings, {row.with_pages} with pages, of {row.decoys})"
        for name, row in score.decoys.items()
        if row.findings or row.pages
    )
    table.add_row("decoys that drew something", escape(drawn or "none"))
    if score.missed:
        table.add_row("missed", escape(", ".join(score.missed[:20]) + (" …" if len(score.missed) > 20 else "")))
    return table


def _change(change: Change) -> Table:
    table = Table(title=f"{escape(change.corpus)}: against the other configuration", title_justify="left")
    for name in ("figure", "other", "this"):
        table.add_column(name, justify="left" if name == "figure" else "right")
    for name, (before, now) in change.figures.items():
        table.add_row(name.replace("_", " "), _plain(before), _plain(now))
    table.add_row("incidents gained", "", escape(", ".join(change.gained) or "none"))
    table.add_row("incidents lost", "", escape(", ".join(change.lost) or "none"))
    return table


def _cells(row: Row) -> tuple[str, ...]:
    return (
        str(row.incidents),
        _share(row.recall),
        _share(row.page_recall),
        f"{duration(row.delay_s.value)}, {duration(row.delay_p95_s.value)}" if row.delay_s.value is not None else "–",
        _plain(row.delay_events.value),
    )


def duration(value: float | None) -> str:
    """Seconds as a person reads them."""
    if value is None:
        return "–"
    if value < 120:
        return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def _share(value: Share, *, plain: bool = False) -> str:
    if value.value is None:
        return "–"
    return f"{value.value:.3f}" if plain else f"{value.value:.2f} {_short(value.low)}–{_short(value.high)}"


def _short(value: float) -> str:
    return "1" if value >= 0.995 else f"{value:.2f}"[1:]


def _estimate(value: Estimate) -> str:
    if value.value is None or value.low is None or value.high is None:
        return "–"
    return f"{value.value:.3g} ({value.low:.3g}–{value.high:.3g})"


def _named(counts: dict[str, int]) -> str:
    return escape("(" + ", ".join(f"{name} {count}" for name, count in counts.items()) + ")") if counts else ""


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
