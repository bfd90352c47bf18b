"""One incident on a terminal: what happened with numbers, what became of it, and what to do."""

from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from alerting.harmless import harmless
from alerting.words import counted, length

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
        f"status {_status(incident)}, tenant {harmless(incident.get('tenant') or '-', 60)}, "
        f"opened {incident['opened'][:19]}Z{_again(incident['opening'])}, "
        f"{counted(incident['findings'], 'finding')}, {counted(incident['events'], 'event')}"
    )
    for line in _clocks(record["clocks"]):
        head.append(f"\n{line}", "red" if "late" in line else "")
    console.print(Panel(head, title=Text(f"incident {incident['id'][:12]}"), title_align="left"))
    _section(console, "Findings", [_finding(finding) for finding in record["findings"][-SHOWN:]])
    _section(console, "Timeline", [_line(entry) for entry in record["timeline"][-SHOWN:]])
    _section(console, "Deliveries", [_delivery(entry) for entry in record["deliveries"][-SHOWN:]])
    _section(console, "Linked", [f"{link['incident'][:12]}: {harmless(link['why'], 200)}" for link in record["links"]])
    if runbook:
        _runbook(console, incident, record["runbook"])


def _runbook(console: Console, incident: dict[str, Any], book: dict[str, Any]) -> None:
    """What comes first; the rest is another command's, which also knows what has been done."""
    short = incident["id"][:12]
    lines = [book["lines"][1]]
    for number, step in enumerate(book["phases"]["first_15_minutes"], 1):
        lines += ["", f"{number}. {step['purpose']} ({step['who']}, {step['minutes']} min)", f"   {step['text']}"]
        lines += [f"   $ {command}" for command in (step["query"], step["action"]) if command is not None]
    console.print(
        Panel(Text("\n".join(lines)), title=Text(f"{book['title']}: first fifteen minutes"), title_align="left")
    )
    if incident["status"] == "open":
        console.print(Text(f"take it:  tocsin incident ack {short}", "bold"))
    console.print(Text(f"work on:  tocsin incident runbook {short}   (the hours and weeks after it, and what is done)"))


def _status(incident: dict[str, Any]) -> str:
    by = incident.get("acknowledged_by")
    verdict = f" as {incident['verdict']}" if incident.get("verdict") else ""
    return f"{incident['status']}{verdict}{f' by {harmless(by, 60)}' if by and not verdict else ''}"


def _again(opening: int) -> str:
    return f" for the {opening}. time" if opening > 1 else ""


def _section(console: Console, title: str, lines: list[str]) -> None:
    if lines:
        console.print(Text(title, "bold"))
        for line in lines:
            console.print(Text(f"  {line}"))


def _clocks(clocks: dict[str, Any]) -> list[str]:
    target = f" (target {length(clocks['detect_target'])})" if "detect_target" in clocks else ""
    late = ", late" if clocks.get("detect_late") else ""
    most = "" if clocks["detect_exact"] else "at most "
    lines = [f"noticed {most}{length(clocks['detect'])} after it began{target}{late}"]
    for name in ("acknowledge", "contain", "resolve"):
        if (clock := clocks.get(name)) is not None:
            done = f"done {clock['reached'][:19]}Z" if clock["reached"] else f"until {clock['due'][:19]}Z"
            lines.append(f"{name} within {length(clock['target'])}: {done}{', late' if clock['late'] else ''}")
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
    return f"{entry['at'][:19]}Z to {entry['sink']}: {entry['state']}, {counted(entry['attempts'], 'attempt')}{why}"
