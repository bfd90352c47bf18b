import shlex
from typing import Any

import click
import msgspec
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from alerting.alert import Incident
from alerting.runbook import PHASES, Runbooks, facts_of, missing, shipped
from stream.errors import ConfigError
from stream.finding import CLASSES, Class
from tests.alerting.deciding.test_decide import a_record
from tests.alerting.world import a_finding

RUNBOOKS = Runbooks()
FACTS = {
    "user": ("https://idp.example|alice",),
    "server": ("billing", "search"),
    "source_ip": ("192.0.2.7",),
    "resource_tenants": ("globex",),
    "target": ("crm://acme/1",),
    "producer": ("p1",),
    "client": ("etl",),
    "token": ("k1:00ff",),
}


def an_incident(class_: Class = "brute", **more: Any) -> Incident:
    record = a_record(a_finding(class_), facts=FACTS)
    return msgspec.structs.replace(record.incident(), **more)


def test_every_class_has_a_runbook() -> None:
    assert missing(RUNBOOKS) == []
    assert {name for name in shipped() if not name.startswith("_")} == set(CLASSES)


@pytest.mark.parametrize("class_", CLASSES)
def test_a_runbook_says_how_to_tell_and_begins_with_three_quick_steps_of_its_own(class_: Class) -> None:
    book = RUNBOOKS[class_]
    first = book.first_15_minutes[:3]
    assert len(first) == 3
    assert sum(step.minutes for step in first) <= 15
    assert len(book.confirm.split()) >= 12
    if class_ != "drill":
        own = [step for step in first if step.id not in {"save-evidence", "tell-security", "find-scope"}]
        assert len(own) >= 2
        assert {"save-evidence", "tell-security", "find-scope"} <= {step.id for step in book.first_15_minutes}


@pytest.mark.parametrize("class_", CLASSES)
def test_a_runbook_renders_without_a_gap_when_all_is_known(class_: Class) -> None:
    lines = RUNBOOKS.lines(an_incident(class_))
    text = "\n".join(lines)
    assert "(not known)" not in text
    assert "{" not in text
    assert all(heading in lines for heading in ("First fifteen minutes", "Next hours", "Long term"))


@pytest.mark.parametrize("class_", CLASSES)
def test_a_runbook_renders_when_nothing_is_known(class_: Class) -> None:
    bare = an_incident(class_, entity={}, facts={}, tenant=None)
    assert RUNBOOKS.lines(bare)
    for _, steps in RUNBOOKS[class_].phases():
        for step in steps:
            assert "not known" not in (RUNBOOKS.query_text(step, bare) or "")


@pytest.mark.parametrize("class_", CLASSES)
def test_every_command_of_a_runbook_is_one_that_tocsin_has(class_: Class) -> None:
    from tocsin.cli import app

    for _, steps in RUNBOOKS[class_].phases():
        for step in steps:
            query = RUNBOOKS.query_text(step, an_incident(class_))
            if query is not None:
                words = shlex.split(query.partition(" > ")[0])
                assert words.pop(0) == "tocsin"
                command: Any = typer.main.get_command(app)
                while hasattr(command, "commands"):
                    command = command.commands[words.pop(0)]
                try:
                    command.make_context("tocsin", words)
                except click.UsageError as error:
                    pytest.fail(f"{query}: {error}")


@pytest.mark.parametrize("class_", CLASSES)
def test_a_strangers_words_are_no_markup_in_a_runbook(class_: Class) -> None:
    hostile = "<b>x</b> [a](http://evil.example) `rm` \x1b[31m @here {{ 7*7 }} {% raw %}"
    incident = an_incident(class_, entity={"user": hostile, "server": hostile}, facts={"source_ip": (hostile,)})
    prose = [line for line in RUNBOOKS.lines(incident) if not line.lstrip().startswith("$")]
    text = "\n".join(prose)
    assert not [words for words in ("<b>", "[a]", "http://", "`rm`", "\x1b", "@here", " 49 ") if words in text]


@given(st.text(max_size=60))
def test_a_strangers_words_stay_one_word_of_a_command(words: str) -> None:
    incident = an_incident("brute", entity={"user": words}, facts={}, tenant="acme")
    query = RUNBOOKS.query_text(RUNBOOKS["brute"].first_15_minutes[0], incident)
    if query is not None:
        parsed = shlex.split(query)
        assert parsed[:3] == ["tocsin", "search", "--principal"]
        assert (parsed[4], len(parsed)) == ("--since", 6)


def test_an_incident_whose_runbook_is_unknown_has_its_classs() -> None:
    assert RUNBOOKS.of(an_incident("spray", runbook="mine")) is RUNBOOKS["spray"]
    assert RUNBOOKS.of(an_incident("spray", runbook="mine", classes=())) is RUNBOOKS["drill"]


STEP = {"id": "a-step", "purpose": "p", "who": "w", "minutes": 1, "text": "t"}
BOOK: dict[str, Any] = {
    "title": "t",
    "confirm": "c",
    **{phase: [{**STEP, "id": f"s-{n}"}] for n, phase in enumerate(PHASES)},
}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"first_15_minutes": []}, "first_15_minutes has no step"),
        ({"title": 3}, "the runbook does not fit"),
        ({"more": 3}, "the runbook does not fit"),
        ({"next_hours": [{**STEP, "id": "s-0"}]}, "'s-0' is no new step id"),
        ({"next_hours": [{**STEP, "id": "Not An Id"}]}, "is no new step id"),
        ({"next_hours": [{**STEP, "minutes": 0}]}, "takes no time"),
        ({"next_hours": [{**STEP, "text": "{{ oops"}]}, "the text is no template"),
        ({"extends": "nobody"}, "which is not there or goes round"),
        ({"extends": "drill"}, "which is not there or goes round"),
    ],
)
def test_a_runbook_that_cannot_be_used_says_where_and_why(change: dict[str, Any], why: str) -> None:
    text = msgspec.json.encode(BOOK | change).decode()
    with pytest.raises(ConfigError, match=why) as caught:
        Runbooks({"drill": text})
    assert caught.value.where.startswith("alerting/runbooks/drill.yaml")


@pytest.mark.parametrize("text", ["a: [", "- 1", "!!python/object/apply:os.system ['true']"])
def test_what_is_no_yaml_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        Runbooks({"drill": text})


def test_a_template_reaches_nothing_but_facts() -> None:
    evil = BOOK | {"confirm": "{{ ''.__class__.__mro__ }}"}
    books = Runbooks({"drill": msgspec.json.encode(evil).decode()})
    with pytest.raises(ConfigError, match="cannot be filled in"):
        books.lines(an_incident("drill"))


def test_of_many_who_were_tried_a_runbook_names_none_as_the_one_to_look_for() -> None:
    tried = an_incident("spray", entity={"source_ip": "203.0.113.9"}, facts={"user": ("ann", "bob")})
    assert facts_of(tried)["who"] == "address 203.0.113.9"
    assert facts_of(an_incident(entity={"tenant": "acme"}, facts={"user": ("ann",)}))["who"] == "user ann"


def test_the_runbook_of_a_success_names_who_got_in_not_who_was_merely_tried() -> None:
    incident = an_incident(
        "success_after", entity={"source_ip": "203.0.113.9"}, facts={"user": ("ann", "bob"), "got_in": ("zoe",)}
    )
    first = RUNBOOKS["success_after"].first_15_minutes[0]
    assert "disable zoe" in RUNBOOKS.step_text(first, incident)
    assert "--principal zoe" in (RUNBOOKS.query_text(first, incident) or "")
    unnamed = an_incident("success_after", entity={"user": "ann"}, facts={})
    assert "disable user ann" in RUNBOOKS.step_text(first, unnamed)
    assert "--principal ann" in (RUNBOOKS.query_text(first, unnamed) or "")


def test_a_command_cuts_off_the_one_caller_that_is_known_and_none_of_many() -> None:
    book = RUNBOOKS["brute"]
    steps = [step for _, steps in book.phases() for step in steps if step.action is not None]
    many = an_incident(entity={"tenant": "acme"}, facts=dict.fromkeys(("user", "source_ip", "token"), ("a", "b")))
    one = an_incident(entity={"tenant": "acme"}, facts=dict.fromkeys(("user", "source_ip", "token"), ("a",)))
    assert steps
    for step in steps:
        assert "=a " not in f"{RUNBOOKS.action_text(step, many)} "
    assert any("=a " in f"{RUNBOOKS.action_text(step, one)} " for step in steps)
