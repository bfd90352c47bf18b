"""The report as one HTML page with plots: inline SVG, no scripts, everything from outside escaped."""

from collections.abc import Mapping
from html import escape
from typing import Final

from tocsin.evaluation.interval import Share
from tocsin.evaluation.report import Report
from tocsin.evaluation.score import Score
from tocsin.evaluation.table import duration

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c2430;--dim:#66707f;--line:#d5dae1;--good:#2f7d5b;--page:#3465a8;--bad:#b23a3a}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--dim:#98a2b1;--line:#39424f;--good:#5fb98f;--page:#7ba7e6;--bad:#e07b7b}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);max-width:62rem;margin:2rem auto;padding:0 1rem}
h1,h2{font-weight:600}table{border-collapse:collapse;width:100%;margin:1rem 0;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.25rem .6rem;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left}
.dim{color:var(--dim)}.bad{color:var(--bad)}svg{max-width:100%;height:auto}svg text{fill:var(--ink);font-size:12px}
"""
_BAR: Final = 22
_LEFT: Final = 190
_WIDE: Final = 420


def html_page(report: Report) -> str:
    """A self-contained page of a report."""
    body = "".join(_section(score) for score in report.scores)
    worse = "".join(
        f"<li class=bad>{escape(it.corpus)}: {escape(it.figure)} {it.now:.4g}, committed {it.committed:.4g}</li>"
        for it in report.regressions
    )
    verdict = f"<h2>Worse than committed</h2><ul>{worse}</ul>" if worse else ""
    notes = "".join(f"<p class=dim>{escape(note)}</p>" for note in report.notes)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tocsin evaluation</title>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style></head><body><h1>Tocsin evaluation</h1>{verdict}{notes}{body}</body></html>\n"
    )


def _section(score: Score) -> str:
    head = (
        f"<h2>{escape(score.corpus)}</h2><p class=dim>{score.events:,} events, {score.days:.1f} days, "
        f"seed {escape(str(score.seed))}, digest {escape(score.digest or 'unknown')}</p>"
    )
    facts = (
        f"<p>{score.pages} pages, {_text(score.pages_per_shift.value)} per 12-hour shift "
        f"(busiest {score.busiest_shift}); "
        f"false pages a week {_text(score.false_pages_per_week.value)}; "
        f"page precision {_interval(score.page_precision)}; "
        f"false findings a day {_text(score.false_per_day.value)}, {score.false_per_10k:.2f} per 10,000 events.</p>"
    )
    if not score.classes:
        return head + facts + _decoys(score)
    shares = {name: (row.recall, row.page_recall) for name, row in score.classes.items()}
    return head + facts + _bars(shares) + _budget_plot(score) + _rows(score) + _decoys(score)


def _bars(shares: Mapping[str, tuple[Share, Share]]) -> str:
    height = len(shares) * _BAR + 30
    parts = []
    for number, (name, (recall, page)) in enumerate(shares.items()):
        top = number * _BAR + 4
        parts.append(f'<text x="{_LEFT - 8}" y="{top + 12}" text-anchor="end">{escape(name)}</text>')
        for share, offset, colour in ((recall, 0, "good"), (page, 8, "page")):
            if share.value is None:
                continue
            middle = top + offset + 3.5
            parts.append(
                f'<rect x="{_LEFT}" y="{top + offset}" width="{share.value * _WIDE:.1f}" height="7" '
                f'style="fill:var(--{colour})"/><line x1="{_LEFT + share.low * _WIDE:.1f}" y1="{middle}" '
                f'x2="{_LEFT + share.high * _WIDE:.1f}" y2="{middle}" style="stroke:var(--ink)"/>'
            )
    for tick in (0, 0.5, 1):
        at = _LEFT + tick * _WIDE
        parts.append(f'<text x="{at}" y="{height - 8}" text-anchor="middle">{tick:g}</text>')
    return (
        f'<svg viewBox="0 0 {_LEFT + _WIDE + 20} {height}" width="{_LEFT + _WIDE + 20}" role="img" '
        f'aria-label="Recall and page recall by class"><title>Recall (green) and page recall (blue) by class, '
        f"with 95 % intervals</title>{''.join(parts)}</svg>"
    )


def _budget_plot(score: Score) -> str:
    points = [(float(budget), it.value) for budget, it in score.recall_at_budget.items() if it.value is not None]
    if len(points) < 2:
        return ""
    step = _WIDE / (len(points) - 1)
    at = [(_LEFT + number * step, 110 - 90 * value) for number, (_, value) in enumerate(points)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    marks = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" style="fill:var(--page)"/>'
        f'<text x="{x:.1f}" y="130" text-anchor="middle">{budget:g}</text>'
        f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{value:.2f}</text>'
        for (x, y), (budget, value) in zip(at, points, strict=True)
    )
    return (
        f'<svg viewBox="0 0 {_LEFT + _WIDE + 20} 150" width="{_LEFT + _WIDE + 20}" role="img" '
        f'aria-label="Recall by false pages per shift">'
        "<title>Recall at a budget of false pages per 12-hour shift</title>"
        f'<text x="{_LEFT - 8}" y="70" text-anchor="end">recall at false</text>'
        f'<text x="{_LEFT - 8}" y="86" text-anchor="end">pages per shift</text>'
        f'<polyline points="{line}" style="fill:none;stroke:var(--page);stroke-width:2"/>{marks}</svg>'
    )


def _rows(score: Score) -> str:
    rows = "".join(
        f"<tr{' class=dim' if '/' in name else ''}><td>{escape(name)}</td><td>{row.incidents}</td>"
        f"<td>{_interval(row.recall)}</td><td>{_interval(row.page_recall)}</td><td>{duration(row.delay_s.value)}</td>"
        f"<td>{duration(row.delay_p95_s.value)}</td></tr>"
        for name, row in sorted((score.classes | score.scenarios | score.grades).items())
    )
    return (
        "<table><tr><th>class / scenario or grade<th>incidents<th>recall<th>page recall<th>delay, median"
        "<th>delay, p95</tr>"
        f"{rows}</table>"
    )


def _decoys(score: Score) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{row.decoys}</td><td>{row.with_findings}</td><td>{row.with_pages}</td></tr>"
        for name, row in score.decoys.items()
    )
    return (
        f"<table><tr><th>decoy<th>staged<th>with false findings<th>with false pages</tr>{rows}</table>" if rows else ""
    )


def _interval(share: Share) -> str:
    if share.value is None:
        return "–"
    return f"{share.value:.3f} <span class=dim>({share.low:.2f}–{share.high:.2f}, {share.hits} of {share.of})</span>"


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
