"""The answer on a terminal; everything in it is taken as text."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from alerting.harmless import harmless
from tocsin.incidents.view import STYLES
from tocsin.whynot.answer import spoken


def render(console: Console, answer: Mapping[str, Any]) -> None:
    """Print what `why_not` answers."""
    event = answer["event"]
    who = event.get("user") or event.get("client") or event.get("agent") or "nobody named"
    what = (
        f"{event['time'][:23]}Z  {event.get('method') or event.get('kind', 'request')} {event.get('target', '')} "
        f"on {event['server']}: {event.get('outcome', 'no outcome')}"
    )
    whose = f"{who} of {event.get('tenant', 'no tenant')} from {event.get('source_ip', 'no address')}"
    console.print(
        Panel(Text(f"{harmless(what, 300)}\n{harmless(whose, 300)}"), title=_title(event), title_align="left")
    )
    for place in answer["places"]:
        history = ", imported" if place["imported"] else ""
        again = "" if place is answer["places"][0] else "again "
        console.print(
            Text(
                f"{again}received {place['received'][:23]}Z in frame {place['frame']}, line {place['line']} of "
                f"{place['of']}, by {harmless(place['source'], 60)}{history}"
            )
        )
    _section(console, "How it was judged", [harmless(line, 300) for line in answer["judged"]])
    for detector in answer["detectors"]:
        _detector(console, detector)
    for finding in answer["findings"]:
        _finding(console, finding)
    _section(console, "So", [harmless(line, 400) for line in answer["verdict"]])
    replay = answer["replay"]
    console.print(Text(f"Replayed {replay['events']:,} events {replay['said']}, with today's parameters.", "dim"))


def _title(event: Mapping[str, Any]) -> Text:
    named = event.get("id") or f"{event.get('producer')}/{event.get('run')}/{event.get('seq')}"
    return Text(f"event {harmless(str(named), 80)}")


def _detector(console: Console, detector: Mapping[str, Any]) -> None:
    asked = [entity for entity in detector["entities"] if entity["stepped"]]
    lines = []
    for entity in asked:
        lines.append(f"{entity['kind']} {_named(entity)}: {'' if entity['measures'] else 'nothing counted'}".rstrip())
        lines += [f"  {harmless(spoken(measure), 300)}" for measure in entity["measures"]]
    for entity in detector["entities"]:
        if not entity["stepped"] and entity["entity"] is not None:
            lines.append(f"{entity['kind']} {_named(entity)}: not asked, {entity['why']}".replace(" :", ":"))
    lines += [line for standing in detector["warm_up"] if (line := _warming(standing))]
    _section(console, detector["detector"], lines)


def _named(entity: Mapping[str, Any]) -> str:
    return ", ".join(harmless(str(value), 80) for value in (entity["entity"] or {}).values())


def _warming(standing: Mapping[str, Any]) -> str:
    """What is missing until promotion; nothing for what is live by itself."""
    if standing["by"] == "operator":
        return f"{standing['class']}: {standing['mode']}, by the configuration"
    if standing["mode"] == "live":
        return ""
    ways = " or ".join(" and ".join(spoken(one) for one in way) for way in standing["evidence"])
    return f"{standing['class']}: {standing['mode']} until {ways}"


def _finding(console: Console, finding: Mapping[str, Any]) -> None:
    title = Text(f"{finding['severity']} ", STYLES.get(finding["severity"], ""))
    title.append(f"{finding['class']}: {harmless(finding['title'], 200)} ({finding['relation']}, {finding['mode']})")
    console.print(title)
    lines = [harmless(f"{finding['observed']}; expected {finding['expected'] or 'nothing'}", 400)]
    for decision in finding["decisions"]:
        page = f", page {decision['page_id']}" if decision["page_id"] else ""
        detail = f" ({harmless(decision['detail'], 120)})" if decision["detail"] else ""
        lines.append(f"{decision['reason']}{detail}: {decision['said']}; incident {decision['incident'][:12]}{page}")
    for line in lines:
        console.print(Text(f"  {line}"))


def _section(console: Console, title: str, lines: list[str]) -> None:
    if lines:
        console.print(Text(title, "bold"))
        for line in lines:
            console.print(Text(f"  {line}"))
