"""The command line: help with an example everywhere, exit codes 0 fine, 1 something wrong, 2 used wrongly."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import Result

from tests.tocsin.lines import NOON, line, written
from tocsin.cli import COMMANDS, app

Call = Callable[..., Result]


def commands() -> list[tuple[str, ...]]:
    """The words of every command that can be called."""
    found: list[tuple[str, ...]] = []

    def walk(group: object, words: tuple[str, ...]) -> None:
        inner = getattr(group, "commands", None)
        if inner is None:
            found.append(words)
            return
        for name, command in inner.items():
            walk(command, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def test_every_command_module_has_its_place() -> None:
    assert {words[0] for words in commands()} == set(COMMANDS)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(tocsin: Call, words: tuple[str, ...]) -> None:
    done = tocsin(*words, "--help")
    assert done.exit_code == 0
    assert f"Example: tocsin {' '.join(words)}" in " ".join(done.stdout.split())


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_an_unknown_option_is_a_wrong_use(tocsin: Call, words: tuple[str, ...]) -> None:
    done = tocsin(*words, "--no-such-option")
    assert done.exit_code == 2
    assert "--no-such-option" in done.stderr


@pytest.mark.parametrize("words", [("nonsense",), ("backtest",), ("search", "--limit", "0"), ("incident", "ack")])
def test_wrong_words_are_a_wrong_use(tocsin: Call, words: tuple[str, ...]) -> None:
    assert tocsin(*words).exit_code == 2


def test_without_words_it_says_what_there_is(tocsin: Call) -> None:
    done = tocsin()
    for name in COMMANDS:
        assert name in done.output


def test_a_command_that_needs_a_running_tocsin_says_so(tocsin: Call) -> None:
    no_token = tocsin("incident", "list", "--data", "nowhere")
    assert no_token.exit_code == 1
    assert "the token file cannot be read" in no_token.stderr
    assert "hint: " in no_token.stderr


def test_a_running_tocsin_that_does_not_answer_is_told(tocsin: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TOCSIN_TOKEN", "t")
    done = tocsin("search")
    assert done.exit_code == 1
    assert "no Tocsin answers" in done.stderr
    assert "is `tocsin run` running" in done.stderr


def test_check_is_fine_or_says_every_fault_at_once(tocsin: Call) -> None:
    assert tocsin("check").exit_code == 0
    Path("wrong.yaml").write_text(
        "listen: {prt: 1}\nsinks:\n  pager: {type: pagerduty, routing_key: plain}\n  siem: {type: elastic}\n"
    )
    typo = tocsin("check", "--config", "wrong.yaml")
    assert typo.exit_code == 2
    assert "wrong.yaml:1: listen.prt: unknown key" in typo.stderr
    Path("wrong.yaml").write_text(
        "directory: nowhere.yaml\nsinks:\n  pager: {type: pagerduty, routing_key: plain}\n  siem: {type: elastic}\n"
    )
    done = tocsin("check", "--config", "wrong.yaml")
    assert done.exit_code == 2
    for part in ("3 faults", "nowhere.yaml", "wrong.yaml:3: sinks.pager.routing_key", "wrong.yaml:4: sinks.siem.type"):
        assert part in done.stderr


def test_keys_are_made_shown_once_listed_and_revoked(tocsin: Call) -> None:
    made = json.loads(tocsin("keys", "create", "billing", "--tenant", "acme", "--data", "data", "--json").stdout)
    (listed,) = json.loads(tocsin("keys", "list", "--data", "data", "--json").stdout)
    assert listed["id"] == made["id"]
    assert made["key"] not in json.dumps(listed)
    assert "hash" not in listed
    assert tocsin("keys", "revoke", made["id"], "--data", "data").exit_code == 0
    (revoked,) = json.loads(tocsin("keys", "list", "--data", "data", "--json").stdout)
    assert revoked["revoked"] is not None
    unknown = tocsin("keys", "revoke", "0000", "--data", "data")
    assert unknown.exit_code == 2
    assert "tocsin keys list" in unknown.stderr


def test_a_log_that_is_what_was_written_verifies(tocsin: Call) -> None:
    written(Path("lines"), [line(NOON + number) for number in range(50)])
    assert tocsin("import", "lines", "--data", "data").exit_code == 0
    done = tocsin("verify", "--data", "data", "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["ok"]) == (0, True)
    assert told["chains"][0]["frames"] == 50
    missing = tocsin("verify", "--data", "nowhere")
    assert (missing.exit_code, "there is no log here" in missing.stderr) == (1, True)


def test_python_m_tocsin_is_tocsin() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", "backtest", "--nonsense"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Usage: tocsin backtest" in done.stderr
