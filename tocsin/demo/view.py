"""The demo on a terminal: traffic, incidents, and where each alert went."""

import time

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from alerting.harmless import harmless
from tocsin.demo.course import Course, attack_of, paged
from tocsin.incidents.view import STYLES

EVENTS = 8
OUTCOME_STYLES = {"ok": "green", "auth_invalid": "red", "auth_missing": "dim", "tool_error": "yellow"}


def view(course: Course) -> RenderableType:
    """One moment of the demo."""
    seconds = time.time() - course.began
    accepted = course.status.get("accepted", 0)
    head = Text(f"{seconds:5.0f} s  ", "bold")
    head.append(course.phase, "bold cyan")
    head.append(
        f"\n{accepted} events accepted, {course.status.get('findings', 0)} findings, "
        f"{course.status.get('delivered', 0)} messages delivered"
    )
    return Group(
        Panel(head, title="tocsin demo", title_align="left"),
        Panel(_traffic(course), title="traffic at the MCP server", title_align="left"),
        Panel(_incidents(course), title="incidents", title_align="left"),
    )


def _traffic(course: Course) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False, expand=True)
    for event in course.events[-EVENTS:]:
        outcome = event.get("outcome") or "-"
        table.add_row(
            event["time"][11:19],
            Text(harmless(f"{event.get('method') or event.get('kind', '')} {event.get('target', '')}", 40)),
            Text(harmless((event.get("user") or event.get("client") or "-").rpartition("|")[2], 40)),
            Text(harmless(event.get("source_ip") or "-", 40)),
            Text(outcome, OUTCOME_STYLES.get(outcome, "")),
            f"{event['rows']} rows" if "rows" in event else "",
        )
    return table if course.events else Text("nothing yet", "dim")


def _incidents(course: Course) -> RenderableType:
    if not course.incidents:
        return Text("none: ordinary work wakes nobody", "dim")
    table = Table(box=None, pad_edge=False, expand=True)
    for heading in ("severity", "what", "about", "told", "where it went"):
        table.add_column(heading, overflow="fold")
    for incident in sorted(course.incidents, key=lambda incident: incident["opened"]):
        detail = course.details.get(incident["id"])
        if detail is None:
            continue
        attack = attack_of(detail, course.attempts)
        sent = {entry["sink"]: entry["state"] for entry in detail["deliveries"]}
        told = "paged" if paged(detail) else str(detail["decisions"][-1]["reason"]).replace("_", " ")
        table.add_row(
            Text(incident["severity"], STYLES.get(incident["severity"], "")),
            Text(harmless(incident["title"], 100)),
            Text(", ".join(harmless(value, 50) for value in incident["entity"].values())),
            Text(told, "bold red" if told == "paged" and attack else "dim"),
            Text(", ".join(f"{sink} {state}" for sink, state in sent.items()) or "stored"),
        )
    return table
