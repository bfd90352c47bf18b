"""Who may do what: a matrix made from the routes and the commands themselves, so that a new one needs a rule."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from starlette.routing import Route
from typer.testing import Result

from tests.tocsin.program import Program
from tests.tocsin.test_cli import commands
from tocsin.access.authority import COMMANDS, DEFAULT, ROUTES, Rule, rule_of
from tocsin.access.operators import FILE, ROLES, Role, add_user, create_token
from tocsin.cli import app
from tocsin.runtime import Runtime
from tocsin.server import application
from tocsin.setup import prepare

Call = Callable[..., Result]


def discovered() -> list[tuple[str, str]]:
    """Method and path of every route that a running Tocsin has."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        runtime = Runtime(prepare(None, Path(folder) / "data"))
        try:
            routes = application(runtime)[0].routes
            assert all(isinstance(route, Route) for route in routes), "a mount hides routes from this test"
            return sorted(
                (method, route.path)
                for route in routes
                if isinstance(route, Route)
                for method in (route.methods or {"GET"}) - {"HEAD"}
            )
        finally:
            runtime.stop()


FOUND = discovered()
ASKERS: tuple[tuple[Role, bool], ...] = tuple((role, everything) for role in ROLES for everything in (False, True))


@pytest.fixture(scope="module")
def tokens(program: Program) -> dict[tuple[Role, bool], str]:
    """A token for each role, for one tenant and for all."""
    path, made = program.data / FILE, {}
    for role, everything in ASKERS:
        name = f"{role}-{'all' if everything else 'acme'}"
        add_user(path, 1.0, name, role, tenants=() if everything else ("acme",), everything=everything, password="")
        made[role, everything] = create_token(path, time.time(), name, 3600.0)[1]
    return made


# The table


@pytest.mark.parametrize(("method", "path"), FOUND, ids=" ".join)
def test_every_route_has_a_rule(method: str, path: str) -> None:
    assert f"{method} {path}" in ROUTES, "say in tocsin/access/authority.py who may use it"


def test_no_rule_is_for_a_route_that_is_gone() -> None:
    assert set(ROUTES) == {f"{method} {path}" for method, path in FOUND}


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_a_rule(words: tuple[str, ...]) -> None:
    assert " ".join(words) in COMMANDS, "say in tocsin/access/authority.py who may use it"


def test_no_rule_is_for_a_command_that_is_gone() -> None:
    assert set(COMMANDS) == {" ".join(words) for words in commands()}


def test_a_route_that_nobody_thought_of_is_for_administrators_of_everything() -> None:
    assert rule_of("GET", "/api/v1/new") == DEFAULT == Rule("administrator", "all")


# What the running program makes of it


@pytest.mark.parametrize(("method", "path"), FOUND, ids=" ".join)
def test_nobody_gets_further_than_the_rule_says(
    program: Program, tokens: dict[tuple[Role, bool], str], method: str, path: str
) -> None:
    rule = ROUTES[f"{method} {path}"]
    place = re.sub(r"{\w+}", "0123abcd", path)
    nobody = program.http().request(method, place).status_code
    if rule.needs == "nobody" or path == "/metrics":
        assert nobody == 200
        return
    if rule.needs == "signature":
        assert nobody in (400, 401, 403, 404)
        return
    assert nobody == 401
    for (role, everything), token in tokens.items():
        answer = program.http().request(method, place, headers={"authorization": f"Bearer {token}"})
        if rule.needs == "producer":
            assert answer.status_code == 401, "an operator is no producer"
            continue
        assert rule.needs in ROLES
        allowed = ROLES.index(role) >= ROLES.index(rule.needs) and (everything or rule.wall == "own")
        assert (answer.status_code != 403) is allowed, (role, everything, answer.text)
        assert answer.status_code not in (401, 500)
    key = (program.data / "first-collector-key").read_text().strip()
    if rule.needs != "producer":
        said = {"authorization": f"Bearer {key}"}
        assert program.http().request(method, place, headers=said).status_code == 401, "a producer is no operator"


# Commands ask for no more than what the table says of them


class Listening:
    """Answers every request with a refusal, and remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, request.url.path))
        return httpx.Response(418, json={"error": "I am a teapot"})


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Listening:
    """What a command asks a running Tocsin for, without one."""
    heard = Listening()
    real = httpx.Client

    def client(**said: Any) -> httpx.Client:
        return real(**said, transport=httpx.MockTransport(heard))

    monkeypatch.setattr("tocsin.client.httpx.Client", client)
    return heard


MORE = {"refused retry": ["1"], "contain incident": ["--deny", "source_ip=192.0.2.1"]}
"""What commands ask for that they do not ask for by themselves."""


def words_for(words: tuple[str, ...]) -> list[str]:
    """Something for everything that a command must be given."""
    command: Any = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    said = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            said += ["0123abcd"] if parameter.required else []
        elif parameter.required:
            said += [parameter.opts[0], {"--where": "tenant=acme", "--verdict": "true"}.get(parameter.opts[0], "x")]
    return said + MORE.get(" ".join(words), [])


ASKING = [words for words in commands() if COMMANDS.get(" ".join(words), DEFAULT).needs in ROLES]


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_a_command_asks_for_what_its_rule_allows(
    tocsin: Call, listening: Listening, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TOCSIN_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TOCSIN_TOKEN", "t")
    done = tocsin(*words, *words_for(words))
    assert listening.asked, done.output
    rule = COMMANDS[" ".join(words)]
    for method, path in listening.asked:
        route = next(
            rule_of(its, pattern)
            for its, pattern in sorted(FOUND, key=lambda one: one[1].count("{"))
            if its == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", pattern), path)
        )
        assert ROLES.index(rule.needs) >= ROLES.index(route.needs)
        assert rule.wall == "all" or route.wall == "own", "some who may call the command could not use it"


def test_a_command_for_the_host_asks_nobody(tocsin: Call, listening: Listening) -> None:
    for words in (("keys", "list"), ("users", "list"), ("tokens", "list")):
        assert tocsin(*words).exit_code == 0
    assert listening.asked == []
