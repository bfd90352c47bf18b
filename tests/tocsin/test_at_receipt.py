"""What an operator says of events at receipt takes effect, can be tried beforehand, and turned back by an act alone."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from collector.privacy.keys import Vault
from stream import control
from stream.control import Revealed
from stream.frame import unpack
from stream.log import FINDINGS
from stream.sqlite import open_log
from tests.tocsin.lines import line
from tests.tocsin.program import Program
from tocsin.config.faults import FaultsError
from tocsin.config.whole import parse_config
from tocsin.setup import assemble

Call = Callable[..., Result]

SECRET = "2026-11:" + "s" * 40
CONTENT = {"arguments": {"path": "../../.env", "customer_id": "globex-1"}, "result": "ghp_" + "a1B2" * 9}
DIRECTORY = (
    'ownership: [{server: crm, argument: customer_id, match: "^(?P<tenant>[a-z]+)-"}, {uri: "crm://{tenant}/**"}]'
)


@pytest.fixture(scope="module")
def hiding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A running Tocsin that hides who people are and counts what the native format brings."""
    folder = tmp_path_factory.mktemp("hiding")
    (folder / "privacy-key").write_text(SECRET + "\n")
    (folder / "directory.yaml").write_text(DIRECTORY)
    settings = {
        "directory": "directory.yaml",
        "privacy": {"fields": {"user": "alias"}, "key": {"file": "privacy-key"}},
        "vantage": {"servers": {"crm": "native"}},
    }
    with Program(folder, settings) as running:
        yield running.ready()


def test_people_are_hidden_and_content_is_gone_from_what_is_stored(hiding: Program) -> None:
    hiding.post([line(time.time(), id="one", server="crm", user="idp|ann", ext=CONTENT)])
    hiding.settled()
    (event,) = [each for each in hiding.get("/events")["events"] if each["id"] == "one"]
    alias = Vault([SECRET]).alias("user", "idp|ann")
    assert event["user"] == alias
    assert event["resource_tenants"] == ["globex"]
    assert {"path:traversal:arguments", "secret:github_token:result"} <= set(event["signals"])
    assert "ghp_" not in json.dumps(event)


def test_who_it_was_is_told_for_a_reason_that_stands_in_the_stream(hiding: Program) -> None:
    alias = Vault([SECRET]).alias("user", "idp|ann")
    silent = hiding.request("POST", "/reveal", json={"values": [alias]})
    assert (silent.status_code, silent.json()["error"]) == (400, "say why")
    wrong = hiding.request("POST", "/reveal", json={"values": [alias], "why": "x", "field": "client"})
    assert wrong.status_code == 400
    told = hiding.request("POST", "/reveal", json={"values": [alias], "why": "INC-7", "by": "sam"})
    assert told.json() == {"field": "user", "revealed": {alias: "idp|ann"}}
    hiding.stop()
    with open_log(hiding.data, reserve_bytes=0) as log:
        found = [
            control.DECODER.decode(unpack(record.frame))
            for record in log.read(FINDINGS, 0, limit=1000)
            if record.frame.header.content == "control"
        ]
    acts = [each for each in found if isinstance(each, Revealed)]
    assert [(act.by, act.why, act.values) for act in acts] == [("sam", "INC-7", (alias,))]


def test_a_sample_shows_what_inspection_would_see(tocsin: Call, tmp_path: Path) -> None:
    sample = tmp_path / "calls.ndjson"
    sample.write_text(json.dumps(line(1_795_154_400.0, id="one", ext=CONTENT)) + "\n")
    done = tocsin("inspect", sample, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["events"], told["with_content"]) == (1, 1)
    assert told["shown"][0]["seen"]["path:traversal:arguments"] == "path"
    assert "path:traversal:arguments" in tocsin("inspect", sample).stdout.replace("\n", "")


def test_a_labelled_corpus_is_scored(tocsin: Call, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    good = {"arguments": {"path": "README.md"}, "result": "hello"}
    lines = [line(1.0, id="bad", session="a", ext=CONTENT), line(2.0, id="good", session="b", ext=good)]
    (corpus / "events.ndjson").write_text("".join(json.dumps(each) + "\n" for each in lines))
    incident = {"id": "i", "class": "path_traversal", "event_ids": ["bad"], "entity": {"session": "a"}}
    missed = {"id": "m", "class": "tool_drift", "event_ids": ["none"], "entity": {"session": "c"}}
    (corpus / "truth.json").write_text(json.dumps({"incidents": [incident, missed]}))
    score = json.loads(tocsin("inspect", corpus, "--json").stdout)["score"]
    assert (score["benign"], score["flagged"], score["missed"]) == (1, [], ["m"])
    assert score["classes"] == {"path_traversal": {"shown": 1, "of": 1}, "tool_drift": {"shown": 0, "of": 1}}
    assert "benign events that seem wrong: 0 of 1" in tocsin("inspect", corpus).stdout


def test_rules_of_ownership_are_tried_one_by_one(tocsin: Call, tmp_path: Path) -> None:
    sample, directory = tmp_path / "calls.ndjson", tmp_path / "directory.yaml"
    directory.write_text(DIRECTORY)
    lines = [
        line(1.0, server="crm", ext=CONTENT),
        line(2.0, server="crm", method="resources/read", target="crm://acme/1"),
        line(3.0, server="erp", target="orders"),
        line(4.0, server="crm", method="tools/list"),
    ]
    sample.write_text("".join(json.dumps(each) + "\n" for each in lines))
    done = tocsin("ownership", "try", sample, "--directory", directory, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [each["owners"] for each in told["shown"][:2]] == [{"globex": [1]}, {"acme": [2]}]
    assert [rule["used"] for rule in told["rules"]] == [1, 1]
    assert {"server": "erp", "target": "orders", "events": 1} in told["uncovered"]
    shown = tocsin("ownership", "try", sample, "--directory", directory)
    assert "no rule covers erp orders" in shown.stdout


def test_no_rule_at_all_is_said(tocsin: Call, tmp_path: Path) -> None:
    sample = tmp_path / "calls.ndjson"
    sample.write_text(json.dumps(line(1.0, resource_tenants=[])) + "\n")
    done = tocsin("ownership", "try", sample)
    assert done.exit_code == 1
    assert "there are no rules" in done.stdout


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("privacy: {fields: {usr: drop}}", "did you mean 'user'?"),
        ("privacy: {fields: {user: alias}}", "need privacy.key"),
        ("privacy: {fields: {user: alias}, key: {env: TOCSIN_NO_SUCH}}", "TOCSIN_NO_SUCH is not set"),
        ("identity: {trusted_proxies: [here]}", "write addresses or networks"),
        ("identity: {issuers: [{issuer: a, jwks: none.json}]}", "there is no file"),
        ("identity: {issuers: [{issuer: a, jwks: 'https://a', algorithms: [HS256]}]}", "HS256 is not taken"),
        ("inspection: {classes: {id: '(?=x)'}}", "no expression of RE2"),
        ("inspection: {classes: {ID: 'x'}}", "small letters"),
        ("vantage: {servers: {crm: {auth: native}}}", "counts"),
    ],
)
def test_what_is_wrong_is_named_with_a_hint(text: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(FaultsError) as error:
        assemble(parse_config(text, base=tmp_path), tmp_path, sinks=False)
    assert what in str(error.value)
