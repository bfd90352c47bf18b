"""One incident on a terminal: what happened with numbers, what became of it, and what to do."""

from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from alerting.harmless import harmless

STYLES = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan", "notice": "dim"}
SHOWN = 10


def render(console: Console, record: dict[str, Any], *, runbook: bool = True) -> None:
    """Print an incident as `GET /api/v1/incidents/ID` tells it; everything in it is taken as text."""
    incident = record["incident"]
    about = "\n".join(f"{key}: {harmless(value, 200)}" for key, value in incident["entity"].items())
    head = Text()
    head.append(f" {incident['severity'].upper()} ", STYLES.get(incident["severity"], ""))
    head.append(f" {harmless(incident['title'], 200)}\n")
    head.append(f"{about}\n")
    head.append(
        f"status {incident['status']}, tenant {harmless(incident.get('tenant') or '-', 60)}, "
        f"opened {incident['opened'][:19]}Z, opening {incident['opening']}, "
        f"{incident['findings']} findings, {incident['events']} events"
    )
    for line in _clocks(record["clocks"]):
        head.append(f"\n{line}", "red" if "late" in line else "")
    console.print(Panel(head, title=Text(f"incident {incident['id'][:12]}"), title_align="left"))
    _section(console, "Findings", [_finding(finding) for finding in record["findings"][-SHOWN:]])
    _section(console, "Timeline", [_line(entry) for entry in record["timeline"][-SHOWN:]])
    _section(console, "Deliveries", [_delivery(entry) for entry in record["deliveries"][-SHOWN:]])
    _section(console, "Linked", [f"{link['incident'][:12]}: {harmless(link['why'], 200)}" for link in record["links"]])
    if runbook:
        lines = "\n".join(record["runbook"]["lines"][1:])
        console.print(Panel(Text(lines), title=Text(record["runbook"]["title"]), title_align="left"))


def _section(console: Console, title: str, lines: list[str]) -> None:
    if lines:
        console.print(Text(title, "bold"))
        for line in lines:
            console.print(Text(f"  {line}"))


def _clocks(clocks: dict[str, Any]) -> list[str]:
    target = f" (within {clocks['detect_target'] / 60:.0f} min)" if "detect_target" in clocks else ""
    late = ", late" if clocks.get("detect_late") else ""
    lines = [f"noticed {clocks['detect'] / 60:.1f} min after it began{target}{late}"]
    for name in ("acknowledge", "contain", "resolve"):
        if (clock := clocks.get(name)) is not None:
            done = f"done {clock['reached'][:19]}Z" if clock["reached"] else f"until {clock['due'][:19]}Z"
            lines.append(f"{name} within {clock['target'] / 60:.0f} min: {done}{', late' if clock['late'] else ''}")
    return lines


def _finding(finding: dict[str, Any]) -> str:
    expected = f" (expected: {harmless(finding['expected'], 200)})" if finding.get("expected") else ""
    return (
        f"{finding['time'][:19]}Z {finding['class']} {finding['severity']}: "
        f"{harmless(finding.get('observed') or finding['title'], 200)}{expected}"
    )


def _line(entry: dict[str, Any]) -> str:
    note = f": {harmless(entry['note'], 200)}" if entry.get("note") else ""
    return f"{entry['at'][:19]}Z {entry['change']} by {harmless(entry['by'], 60)} ({entry['reason']}){note}"


def _delivery(entry: dict[str, Any]) -> str:
    why = f": {harmless(entry['why'], 200)}" if entry.get("why") else ""
    return f"{entry['at'][:19]}Z to {entry['sink']}: {entry['state']}, {entry['attempts']} attempts{why}"
