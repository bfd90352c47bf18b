"""Actions elsewhere against a small real server over HTTP: templates, verification, revocation, and what fails."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from alerting.response import outside
from alerting.response.outside import (
    Action,
    Issuer,
    Template,
    carry_out,
    check_template,
    dry,
    facts_for,
    filled,
    revoke,
    send,
)
from stream.errors import ConfigError, RejectedError
from tests.alerting.deciding.test_decide import a_record

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

    do_GET = do_POST = _answer  # noqa: N815  # the names that http.server asks for

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


def test_of_several_callers_none_is_taken_for_the_one_to_cut_off() -> None:
    tried = {"user": ("https://idp.example|ann", "https://idp.example|bob"), "server": ("crm",)}
    spray = a_record(entity={"source_ip": "203.0.113.9"}, facts=tried).incident()
    facts = facts_for(spray)
    assert (facts["source_ip"], facts["server"]) == ("203.0.113.9", "crm")
    assert not {"user", "subject", "issuer"} & facts.keys()
    with pytest.raises(RejectedError, match="user"):
        filled(Template("https://idp.example/{{ user | urlencode }}"), facts, {})
    given_ = facts_for(spray, "https://idp.example|auth0|77")
    assert (given_["issuer"], given_["subject"]) == ("https://idp.example", "auth0|77")
    inside = facts_for(a_record(facts={**tried, "got_in": ("https://idp.example|zoe",)}).incident())
    assert (inside["issuer"], inside["subject"]) == ("https://idp.example", "zoe")


def test_without_the_token_a_subjects_sessions_end_at_the_issuer(side: Side) -> None:
    # As identity providers have it: a request by subject, after which none of the subject's sessions is left.
    sessions = f"{side.url}/block/{{{{ subject | urlencode }}}}"
    key = {"x-key": "{{ secret.key }}"}
    end = Template(f"{sessions}/logout", headers=key)
    left = Template(f"{sessions}/sessions", method="GET", headers=key, contains="{}")
    facts = facts_for(a_record(entity={"user": "https://idp.example|ann/../bob"}).incident())
    state, _ = carry_out(Action(end, verify=left, secrets={"key": "k3y"}), facts, undo=False)
    assert state == "verified"
    assert [path for _, path, _ in side.asked] == [f"/block/ann%2F..%2Fbob/{what}" for what in ("logout", "sessions")]


LOGOUT = Template("https://idp.example/users/{{ subject | urlencode }}/logout")


def of_subject(subject: str) -> dict[str, Any]:
    return facts_for(a_record(entity={"user": f"https://idp.example|{subject}"}).incident())


@pytest.mark.parametrize("subject", ["..", "."])
def test_a_subject_that_would_climb_is_refused(subject: str) -> None:
    with pytest.raises(RejectedError, match="change where the request goes"):
        filled(LOGOUT, of_subject(subject), {})


@pytest.mark.parametrize("subject", ["../admin", "a/../../b", "?x=1", "#x", "a%2f..%2fb", "ann bob", "ann"])
def test_a_subject_stays_one_segment_of_the_path(subject: str) -> None:
    path = httpx.URL(filled(LOGOUT, of_subject(subject), {}).url).raw_path.decode()
    assert path.count("/") == 3
    assert path.startswith("/users/")
    assert path.endswith("/logout")


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
    gone = Issuer(f"{side.url}/revoke", "tocsin", "s3cret", "http://127.0.0.1:9/introspect")
    told, checked = revoke(gone, "a-third-token")
    assert told.worked, "that it cannot be asked about does not undo it"
    assert checked is not None
    assert checked.words.startswith("no answer")
    told, checked = revoke(Issuer(f"{side.url}/revoke", "tocsin", "s3cret", f"{side.url}/block"), "the-token")
    assert checked is not None
    assert "no word of whether it is active" in checked.words
    wrong, _ = revoke(Issuer(f"{side.url}/revoke", "tocsin", "bad"), "the-token")
    assert not wrong.worked
    assert "the-token" not in wrong.words
    assert "s3cret" not in repr(issuer)
