"""Actions elsewhere against a small real server over HTTP: templates, verification, revocation, and what fails."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from alerting.response import outside
from alerting.response.outside import Action, Issuer, Template, check_template, dry, filled, revoke, send
from stream.errors import ConfigError, RejectedError

FACTS = {"source_ip": "203.0.113.9", "user": 'a"b\n/../x', "short": "3f9a"}


class Side(ThreadingHTTPServer):
    """A gateway and an issuer that remember what they were told, and check who asks."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, bytes]] = []
        self.revoked: set[str] = set()
        self.deaf = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Side

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append((self.command, self.path, body))
        status, said = 200, b"{}"
        if self.path in ("/revoke", "/introspect"):
            token = parse_qs(body.decode()).get("token", [""])[0]
            if self.headers.get("authorization") != "Basic dG9jc2luOnMzY3JldA==":  # tocsin:s3cret
                status, said = 401, f"no {token}".encode()
            elif self.path == "/revoke":
                if not self.server.deaf:
                    self.server.revoked.add(token)
            else:
                said = json.dumps({"active": token not in self.server.revoked}).encode()
        elif self.path.startswith("/away"):
            status = 302
        elif self.headers.get("x-key") != "k3y":
            status, said = 403, f"bad key {self.headers.get('x-key')}".encode()
        self.send_response(status)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = _answer  # noqa: N815  # the name that http.server asks for

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def side() -> Iterator[Side]:
    with Side() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def block(side: Side, **more: Any) -> Template:
    made: dict[str, Any] = {
        "url": f"{side.url}/block/{{{{ source_ip | urlencode }}}}",
        "headers": {"x-key": "{{ secret.key }}"},
        "body": '{"who": {{ user | tojson }}}',
    }
    return Template(**(made | more))


def test_a_request_is_sent_as_the_dry_run_showed_it_but_for_the_secret(side: Side) -> None:
    template = block(side)
    action = Action(template, secrets={"key": "k3y"})
    shown = dry(template, FACTS, action.secrets)
    assert shown["headers"] == {"x-key": "(secret)"}
    told = send(template, FACTS, action)
    assert told.worked, told
    ((method, path, body),) = side.asked
    assert (method, f"{side.url}{path}", body.decode()) == (shown["method"], shown["url"], shown["body"])
    assert json.loads(body) == {"who": 'a"b\n/../x'}


def test_what_did_not_work_is_said_without_the_secret(side: Side) -> None:
    told = send(block(side), FACTS, Action(block(side), secrets={"key": "wrong-one"}))
    assert not told.worked
    assert told.words == "HTTP 403: bad key (secret)"
    away = Template(f"{side.url}/away")
    assert not send(away, FACTS, Action(away)).worked, "a redirect is not followed"
    gone = Template("http://127.0.0.1:9/x")
    assert "no answer" in send(gone, FACTS, Action(gone, seconds=2.0)).words


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"url": "http://gateway.example/{{ user }}"}, "change where the request goes"),
        ({"headers": {"x-who": "{{ user }}"}}, "end a header"),
        ({"body": "{{ nobody }}"}, "cannot be filled in"),
        ({"body": "{{ ''.__class__.__mro__ }}"}, "cannot be filled in"),
    ],
)
def test_words_of_strangers_stay_where_they_are_put(side: Side, more: dict[str, Any], says: str) -> None:
    with pytest.raises(RejectedError) as caught:
        filled(block(side, **more), FACTS, {"key": "k"})
    assert says in str(caught.value)


@pytest.mark.parametrize("url", ["https://{{ source_ip }}/x", "file:///etc/passwd", "{{ x }}", "http://a/{% if"])
def test_where_a_request_goes_is_fixed_in_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError):
        check_template(Template(url))


def test_a_token_is_revoked_and_asked_about(side: Side) -> None:
    issuer = Issuer(f"{side.url}/revoke", "tocsin", "s3cret", f"{side.url}/introspect")
    told, checked = revoke(issuer, "the-token")
    assert told.worked
    assert checked == outside.Outcome(True, "it is no longer active")
    side.deaf = True
    told, checked = revoke(issuer, "another-token")
    assert told.worked, "the issuer said so"
    assert checked is not None
    assert not checked.worked, "but it still works"
    wrong, _ = revoke(Issuer(f"{side.url}/revoke", "tocsin", "bad"), "the-token")
    assert not wrong.worked
    assert "the-token" not in wrong.words
    assert "s3cret" not in repr(issuer)
