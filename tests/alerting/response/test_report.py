"""Reports, and what commands show of an incident: words of strangers in them stay words."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from alerting.database.store import MEMORY, Store
from alerting.deciding.policy import Policies
from alerting.incidents.key import incident_key
from alerting.incidents.targets import Targets
from alerting.queries import find, show
from alerting.response.report import gathered, html, markdown
from alerting.runbook import Runbooks
from alerting.task import AlertTask, act_frame
from stream.control import Deny, IncidentChange, Performed, Stepped
from stream.finding import Finding
from stream.memory import MemoryLog
from tests.alerting.sinks.hostile import CORPUS, ESCAPES, LIVE
from tests.alerting.world import NOON, a_finding, findings_frame, put
from tocsin.incident_work import _show_scope
from tocsin.incidents.view import render

BOOKS = Runbooks()
PLAIN = "plain words"
TAGS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "table", "tr", "th", "td", "p", "ul", "li"}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "class"}


class Skeleton(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in attrs} <= ATTRIBUTES
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data[:80]}")


def of_strangers(words: str) -> Finding:
    return a_finding(
        entity={"user": words, "server": words},
        title=words,
        observed=words,
        expected=words,
        why=words,
        event_ids=(words,),
        facts={"source_ip": (words,), "target": (words, words[:10])},
    )


class Told:
    """A store with an incident for each of some words, all of whose texts they are."""

    def __init__(self) -> None:
        self.store = Store(MEMORY)
        self._log = MemoryLog()
        self._task = AlertTask(self._log, self.store, Policies())

    def of(self, words: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """The facts of a report, an incident as commands show it, and a scope."""
        finding = of_strangers(words)
        id_ = incident_key(finding).id
        acts = (
            IncidentChange(id_, "ack", words, NOON + 1, note=words),
            Stepped(id_, "find-scope", "done", words, NOON + 1, words),
            Stepped(id_, "fix-cause", "planned", words, NOON + 1, words, owner=words, due=NOON + 9e5),
            Performed(id_, id_, words, "failed", words, NOON + 1, words),
            Deny(id_, (("user", words[:900]),), NOON + 9, id_, words, NOON + 1, words, forced=True),
            IncidentChange(id_, "close", words, NOON + 2, verdict="true", cause=words),
        )
        put(self._log, findings_frame([finding], NOON, self._task.position), *(act_frame(act, act.at) for act in acts))
        while self._task.advance(wait=0):
            pass
        record, scope = find(self.store, id_), a_scope(words)
        assert record.status == "closed"
        facts = gathered(self.store, BOOKS, record, scope, Targets(), NOON + 3)
        return facts, show(self.store, id_, BOOKS, now=NOON + 3), scope


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    made = Told()
    yield made
    made.store.close()


def a_scope(words: str) -> dict[str, Any]:
    moments = dict.fromkeys(("since", "until", "first", "last", "last_accepted"), "2024-10-04T12:00:00Z")
    counts = dict.fromkeys(("events", "accepted", "refused_by_denial", "rows", "bytes", "frames"), 3)
    touched = {"server": {words: 2}, "target": {words: 1}}
    others = {"source_ip": {words: {words: 4}}}
    return {**moments, **counts, "about": {"user": words}, "complete": True, "touched": touched, "others": others}


def harmless_lines(lines: list[str]) -> None:
    for line in lines:
        assert not ESCAPES.search(line.replace("\n", "")), line[:200]
        assert not LIVE.search(line), line[:200]


@pytest.mark.parametrize("number", range(len(CORPUS)))
def test_words_of_strangers_change_nothing_of_a_report_but_its_words(told: Told, number: int) -> None:
    facts, shown, scope = told.of(CORPUS[number].encode("utf-8", "replace").decode())
    plain = told.of(f"{PLAIN} {number}")[0]
    page = Skeleton(html(facts))
    assert page.elements == Skeleton(html(plain)).elements
    harmless_lines(page.texts)
    text = markdown(facts)
    lines, before = text.splitlines(), markdown(plain).splitlines()
    harmless_lines(lines)
    assert len(lines) == len(before)
    for line, other in zip(lines, before, strict=True):
        assert shape(line) == shape(other), line[:300]
        assert not re.search(r"(?<!\\)[<>]|(?<!\\)\]\(|(?<!\\)`", line.removeprefix("> ")), line[:300]
    for text in (screen(shown, render), screen(scope, _show_scope)):
        # A command has exact values, quoted for a shell: made harmless it would look for something else.
        harmless_lines([line for line in text.splitlines() if not line.strip("│ ").startswith("$ tocsin ")])


def shape(line: str) -> tuple[int, bool, bool]:
    """What a reader of Markdown sees of a line's form: its cells, and whether it is a heading or an item."""
    return len(re.findall(r"(?<!\\)\|", line)), line.startswith("#"), line.startswith("- ")


def screen(told: dict[str, Any], view: Any) -> str:
    """What a command would print of it on a terminal."""
    out = StringIO()
    view(Console(file=out, width=4000, force_terminal=False, no_color=True), told)
    return out.getvalue()
