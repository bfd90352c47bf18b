"""Runbooks: what a person does about a class of finding, in three phases, with the incident's facts filled in."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import msgspec
import yaml
from jinja2 import Template, TemplateError, Undefined, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alerting.alert import Incident
from alerting.harmless import harmless
from alerting.incidents.linking import PLAIN
from alerting.matching import all_hold, parse_all
from stream.errors import ConfigError, RejectedError
from stream.finding import CLASSES
from tocsin_audit.event import rfc3339
from tocsin_audit.text import clean

PHASES: Final = ("first_15_minutes", "next_hours", "long_term")
HEADINGS: Final = {
    "first_15_minutes": "First fifteen minutes",
    "next_hours": "Next hours",
    "long_term": "Long term",
}
_ID: Final = re.compile(r"[a-z][a-z0-9-]{1,40}\Z")
_VALUE: Final = 200
"""Characters of one fact in a text."""
_CALLERS: Final = ("user", "client", "agent", "token", "source_ip")
"""By what a caller is named, the most telling first."""


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing to do: what for, who does it, how many minutes it takes, and the words.

    `query` is a command that shows something, `action` one that changes something. A step is for incidents of which all
    of `when` holds.
    """

    id: str
    purpose: str
    who: str
    minutes: int
    text: str
    query: str | None = None
    action: str | None = None
    when: tuple[str, ...] = ()


class Runbook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is done about a class; `confirm` tells the real thing from what looks like it."""

    title: str
    confirm: str
    first_15_minutes: tuple[Step, ...]
    next_hours: tuple[Step, ...]
    long_term: tuple[Step, ...]

    def phases(self) -> Iterator[tuple[str, tuple[Step, ...]]]:
        """The phases in order, with their steps."""
        for name in PHASES:
            yield name, getattr(self, name)


class _Unknown(Undefined):
    """A fact that the incident does not have reads as that."""

    def __str__(self) -> str:
        return "(not known)"


class Runbooks:
    """The shipped runbooks, read and checked once; an unknown name falls back to the class, then to `drill`.

    Raises ConfigError naming file and place where one cannot be used.
    """

    def __init__(self, sources: Mapping[str, str] | None = None) -> None:
        self._environment = ImmutableSandboxedEnvironment(
            undefined=_Unknown, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
        )
        self._compiled: dict[str, Template] = {}
        trees = {name: _parsed(name, text) for name, text in (sources or shipped()).items()}
        self._books = {name: self._checked(name, _extended(name, trees)) for name in trees if not name.startswith("_")}

    def __getitem__(self, name: str) -> Runbook:
        return self._books[name]

    def __contains__(self, name: object) -> bool:
        return name in self._books

    def of(self, incident: Incident) -> Runbook:
        """The runbook of an incident: the one its most severe finding names, else one of its classes'."""
        for name in (incident.runbook, *incident.classes):
            if name in self._books:
                return self._books[name]
        return self._books["drill"]

    def step_text(self, step: Step, incident: Incident) -> str:
        """The words of a step with the incident's facts, on one line."""
        return self._render(step.text, facts_of(incident))

    def query_text(self, step: Step, incident: Incident) -> str | None:
        """The query of a step with the incident's exact values, quoted for a shell; None where one is missing."""
        return self._command(step.query, incident)

    def action_text(self, step: Step, incident: Incident) -> str | None:
        """The action of a step, as `query_text` has its query."""
        return self._command(step.action, incident)

    def step_of(self, step: Step, incident: Incident) -> dict[str, Any]:
        """A step for machines: what it is for, who does it, how long it takes, and its words and commands."""
        return {
            "id": step.id,
            "purpose": step.purpose,
            "who": step.who,
            "minutes": step.minutes,
            "text": self.step_text(step, incident),
            "query": self.query_text(step, incident),
            "action": self.action_text(step, incident),
        }

    def phases_of(self, incident: Incident) -> Iterator[tuple[str, tuple[Step, ...]]]:
        """The phases of an incident's runbook with the steps whose conditions hold."""
        have = _have(incident)
        for name, steps in self.of(incident).phases():
            yield name, tuple(step for step in steps if all_hold(parse_all(step.when), have))

    def confirm_text(self, incident: Incident) -> str:
        """How to tell the real thing from what looks like it."""
        return self._render(self.of(incident).confirm, facts_of(incident))

    def _command(self, text: str | None, incident: Incident) -> str | None:
        if text is None:
            return None
        values = _quoted(incident)
        named = meta.find_undeclared_variables(self._environment.parse(text))
        return self._render(text, values) if named <= values.keys() else None

    def lines(self, incident: Incident) -> list[str]:
        """The whole runbook as lines of text."""
        book = self.of(incident)
        lines = [f"Runbook: {book.title}", f"How to tell: {self.confirm_text(incident)}"]
        for name, steps in self.phases_of(incident):
            lines += ["", HEADINGS[name]]
            for number, step in enumerate(steps, 1):
                lines.append(f"  {number}. {step.purpose} ({step.who}, {step.minutes} min)")
                lines.append(f"     {self.step_text(step, incident)}")
                for command in (self.query_text(step, incident), self.action_text(step, incident)):
                    if command is not None:
                        lines.append(f"     $ {command}")
        return lines

    def _render(self, text: str, facts: Mapping[str, Any]) -> str:
        template = self._compiled.get(text)
        if template is None:
            template = self._compiled[text] = self._environment.from_string(text)
        try:
            return " ".join(template.render(facts).split())
        except TemplateError as error:
            raise ConfigError(f"the text {text[:60]!r} cannot be filled in ({error})", where="a runbook") from error

    def _checked(self, name: str, tree: dict[str, Any]) -> Runbook:
        where = f"alerting/runbooks/{name}.yaml"
        try:
            book = msgspec.convert(tree, Runbook)
        except msgspec.ValidationError as error:
            raise ConfigError(
                f"the runbook does not fit ({error})", where=where, hint="see a shipped runbook"
            ) from error
        seen: set[str] = set()
        for phase, steps in book.phases():
            if not steps:
                raise ConfigError(f"{phase} has no step", where=where, hint="every phase has at least one")
            for step in steps:
                if not _ID.match(step.id) or step.id in seen:
                    raise ConfigError(f"{step.id!r} is no new step id", where=where, hint="lower case, digits, dashes")
                if step.minutes < 1:
                    raise ConfigError(f"step {step.id!r} takes no time", where=where, hint="minutes is 1 or more")
                seen.add(step.id)
                for text in (step.text, step.query or "", step.action or ""):
                    self._check_template(text, f"{where} step {step.id!r}")
                self._check_step(step, f"{where} step {step.id!r}")
        self._check_template(book.confirm, f"{where} confirm")
        return book

    def _check_step(self, step: Step, where: str) -> None:
        try:
            parse_all(step.when)
        except RejectedError as error:
            raise ConfigError(error.what, where=where, hint=error.hint) from error
        for command in (step.query, step.action):
            if command is not None and not command.startswith("tocsin "):
                raise ConfigError("a step runs commands of Tocsin alone", where=where, hint="tocsin search …")

    def _check_template(self, text: str, where: str) -> None:
        try:
            self._environment.parse(text)
        except TemplateError as error:
            raise ConfigError(f"the text is no template ({error})", where=where, hint="Jinja2 syntax") from error


def shipped() -> dict[str, str]:
    """The text of each runbook in this package by name; those that begin with `_` are only extended by others."""
    folder = files("alerting") / "runbooks"
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    return {entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8") for entry in found}


def missing(books: Runbooks) -> list[str]:
    """The classes that have no runbook."""
    return [class_ for class_ in CLASSES if class_ not in books]


def facts_of(incident: Incident) -> dict[str, Any]:
    """What a runbook's text may speak of; each value is words of strangers made harmless.

    `who` is the principal or source in a few words, `got_in` who succeeded where that is known, every field
    stands under its own name, and `listed` has all the values that were seen of a field.
    """
    values = {name: harmless(value, _VALUE) for name, value in incident.entity.items()}
    listed = {
        name: ", ".join(harmless(value, _VALUE) for value in seen) for name, seen in incident.facts.items() if seen
    }
    for name, seen in incident.facts.items():
        if seen:
            values.setdefault(name, harmless(seen[0], _VALUE))
    # What the incident is about comes first: of many who were tried, the first to be seen says nothing.
    callers = [key for key in _CALLERS if key in values]
    callers.sort(key=lambda key: key not in incident.entity)
    who = next((f"{PLAIN.get(key, key)} {values[key]}" for key in callers), "")
    return {
        **values,
        "tenant": harmless(incident.tenant, _VALUE) if incident.tenant else values.get("tenant", "(no tenant)"),
        "who": who or "the caller",
        "got_in": listed.get("got_in") or who or "the caller",
        "listed": {**values, **listed},
        "incident": incident.id,
        "short": incident.id[:12],
        "severity": incident.severity,
        "opened": rfc3339(incident.opened)[:19] + "Z",
        "findings": incident.findings,
        "events": incident.events,
    }


def _have(incident: Incident) -> dict[str, Sequence[str]]:
    """What conditions of steps may ask for."""
    have: dict[str, Sequence[str]] = dict(incident.facts)
    have |= {key: (value,) for key, value in incident.entity.items()}
    have |= {"class": incident.classes, "severity": (incident.severity,), "family": (incident.family,)}
    return have | ({"tenant": (incident.tenant,)} if incident.tenant is not None else {})


def _quoted(incident: Incident) -> dict[str, Any]:
    # A command that names a caller names the one, never one of many who were merely tried.
    sure = {name: seen[0] for name, seen in incident.facts.items() if len(seen) == 1 or (seen and name not in _CALLERS)}
    values = sure | incident.entity
    if incident.tenant:
        values["tenant"] = incident.tenant
    words = {name: shlex.quote(clean(value, 1000) or "") for name, value in values.items()}
    for key in ("got_in", "user", "client", "agent"):
        if key in words:
            words.setdefault("principal", words[key])
    times = {"opened": rfc3339(incident.opened), "since": rfc3339(max(0.0, incident.opened - 3600.0))}
    return words | times | {"incident": incident.id, "short": incident.id[:12]}


def _parsed(name: str, text: str) -> dict[str, Any]:
    where = f"alerting/runbooks/{name}.yaml"
    try:
        tree = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are the safe loader
    except yaml.YAMLError as error:
        raise ConfigError(f"the runbook is no YAML ({error})", where=where, hint="see a shipped runbook") from error
    if not isinstance(tree, dict):
        raise ConfigError("the runbook is no mapping", where=where, hint="see a shipped runbook")
    return tree


def _extended(name: str, trees: Mapping[str, dict[str, Any]], below: tuple[str, ...] = ()) -> dict[str, Any]:
    """A runbook with what it takes from the one that it extends: its own keys win, its phases' steps come first."""
    tree = dict(trees[name])
    base = tree.pop("extends", None)
    if base is None:
        return tree
    if base not in trees or base in (name, *below):
        raise ConfigError(f"extends {base!r}, which is not there or goes round", where=f"alerting/runbooks/{name}.yaml")
    whole = _extended(base, trees, (name, *below))
    for key, value in tree.items():
        whole[key] = [*value, *whole.get(key, [])] if key in PHASES else value
    return whole
