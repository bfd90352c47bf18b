"""The report about an incident, for those who were not there: what happened, what was done, what is left to do."""

import re
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import DictLoader, Environment, StrictUndefined

from alerting import queries
from alerting.database.store import Store
from alerting.harmless import harmless
from alerting.incidents.record import Record
from alerting.incidents.targets import Targets
from alerting.response.denial_list import denials
from alerting.response.progress import actions, progress
from alerting.response.steps import ENDED
from alerting.runbook import PHASES, Runbooks
from alerting.words import counted, length
from tocsin_audit.event import rfc3339

HOUR: Final = 3600.0
DUTIES: Final = (
    ("GDPR, article 33: to the supervisory authority, where personal data are concerned", 72.0),
    ("NIS2, article 23: early warning, where the entity is covered and the incident significant", 24.0),
    ("NIS2, article 23: incident notification", 72.0),
    ("NIS2, article 23: final report, one month after the notification", 72.0 + 30 * 24.0),
)
"""Duties to report with the hours that they leave after one became aware."""
_MARKUP: Final = re.compile(r"([\\|*_#~+!{}()>-])")


def gathered(
    store: Store,
    runbooks: Runbooks,
    record: Record,
    scope: dict[str, Any] | None,
    targets: Targets,
    now: float,
) -> dict[str, Any]:
    """Everything that a report tells, as facts; `scope` is what a search of the log found, `now` in seconds."""
    shown = queries.show(store, record.id, runbooks, targets=targets, now=now)
    book = progress(store, runbooks, record, now)
    steps = [{**step, "phase": phase["heading"]} for phase in book["phases"] for step in phase["steps"]]
    later = [step for phase in book["phases"] if phase["name"] == PHASES[-1] for step in phase["steps"]]
    return {
        "incident": shown["incident"],
        "made": rfc3339(now),
        "began": rfc3339(record.began),
        "clocks": shown["clocks"],
        "duties": duties(record, now),
        "findings": shown["findings"],
        "timeline": shown["timeline"],
        "links": shown["links"],
        "scope": scope,
        "denials": denials(store, now, incident=record.id, all_=True),
        "actions": actions(store, record.id),
        "root_cause": record.cause,
        "verdict": record.verdict,
        "steps": [step for step in steps if step["state"] != "open"],
        "open_steps": [step for step in steps if step["state"] not in ENDED and step not in later],
        "follow_up": [step for step in later if step["state"] != "skipped"],
    }


def duties(record: Record, now: float) -> list[dict[str, Any]]:
    """The regulators' clocks, counted from when Tocsin noticed: nobody can say that they knew later than that."""
    return [
        {
            "duty": duty,
            "due": rfc3339(record.opened + hours * HOUR),
            "left_h": round((record.opened + hours * HOUR - now) / HOUR, 1),
            "over": now > record.opened + hours * HOUR,
        }
        for duty, hours in DUTIES
    ]


def markdown(facts: dict[str, Any]) -> str:
    """The report as Markdown; words of strangers in it stay words."""
    return _environment(html=False).get_template("report.md").render(facts)


def html(facts: dict[str, Any]) -> str:
    """The report as one HTML page without scripts, links or anything from elsewhere."""
    return _environment(html=True).get_template("report.html").render(facts)


@cache
def _environment(*, html: bool) -> Environment:
    environment = Environment(undefined=StrictUndefined, autoescape=html, trim_blocks=True, lstrip_blocks=True)  # noqa: S701  # Markdown is escaped by `say`
    folder = files("alerting") / "response" / "templates"
    sources = {name: (folder / f"{name}.j2").read_text(encoding="utf-8") for name in ("report.md", "report.html")}
    environment.loader = DictLoader(sources)
    environment.filters |= {
        "say": _plain if html else _marked,
        "when": _when,
        "length": length,
        "count": len,
        "counted": counted,
    }
    return environment


def _plain(value: object) -> str:
    return harmless(value, 1000)


def _marked(value: object) -> str:
    return _MARKUP.sub(r"\\\1", harmless(value, 1000))


def _when(text: str | None) -> str:
    return f"{text[:10]} {text[11:19]} UTC" if text else "not known"
