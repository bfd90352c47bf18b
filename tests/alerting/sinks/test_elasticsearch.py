"""The Elasticsearch sink against a real node; what only a full server has (keys, security) is checked on the wire."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from elasticsearch import Elasticsearch

from alerting.sink import Sink
from alerting.sinks.elasticsearch.templates import STREAM, install, shipped
from tests.alerting.sinks.place import TIMEOUT, make
from tests.alerting.sinks.place_elasticsearch import MARKS, ElasticsearchPlace, place
from tests.alerting.sinks.samples import a_finding, an_alert, an_incident
from tests.services.elasticsearch import OwnNode
from tests.services.front import Fault, Front, Handler, Reply, Request, forward, json_reply
from tests.services.run import run_folder

FORBIDDEN = json_reply(
    403, {"error": {"type": "security_exception", "reason": "not allowed"}}, x_elastic_product="Elasticsearch"
)
pytestmark = [*MARKS]


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Iterator[ElasticsearchPlace]:
    with place(request) as found:
        yield found


@pytest.fixture
def sink(here: ElasticsearchPlace) -> Iterator[Sink]:
    made = here.sink()
    yield made
    made.close()


@contextmanager
def through(url: str, change: Callable[[Request, Handler], Reply], **options: Any) -> Iterator[tuple[Front, Sink]]:
    """A sink that reaches the node through something that changes requests or answers."""
    node = forward(url)
    with Front(lambda request: change(request, node)) as front:
        sink = make("elasticsearch", {"url": front.url, "timeout": TIMEOUT} | options)
        yield front, sink
        sink.close()


def test_the_first_delivery_makes_a_data_stream_from_our_templates(here: ElasticsearchPlace) -> None:
    here.client.indices.delete_index_template(name=STREAM)
    sink = here.sink(timeout=60.0)
    sink.deliver([an_alert(1)], frozenset())
    sink.close()
    (stream,) = here.client.indices.get_data_stream(name=here.stream)["data_streams"]
    assert stream["template"] == STREAM
    assert stream["lifecycle"]["data_retention"] == "365d"


def test_every_field_that_we_send_is_mapped(here: ElasticsearchPlace, sink: Sink) -> None:
    sink.deliver([an_alert(1)], frozenset())
    here.client.indices.put_mapping(index=here.stream, dynamic="strict")
    user = {"user": "https://idp.acme.example|alice", "server": "billing", "source_ip": "2001:db8::1"}
    facts = {"tool": ("export",), "source_ip": ("198.51.100.7",)}
    full = an_alert(
        2,
        incident=an_incident("i-2", entity=user, facts=facts, acknowledged_by="sam", verdict="true_positive"),
        findings=(a_finding("f-2", entity=user, facts=facts),),
    )
    assert [result.outcome for result in sink.deliver([full], frozenset())] == ["done"]


def test_alerts_are_found_by_what_analysts_search_for(here: ElasticsearchPlace, sink: Sink) -> None:
    sink.deliver([an_alert(1), an_alert(1, "resolved", revision=2)], frozenset())
    here.client.indices.refresh(index=here.stream)
    for query in (
        {"term": {"source.ip": "203.0.113.0/24"}},
        {"term": {"threat.technique.subtechnique.id": "T1110.003"}},
        {"term": {"threat.technique.name": "Brute Force"}},
        {"term": {"organization.id": "acme"}},
        {"term": {"mcp.alert.event_ids": "e2"}},
        {"term": {"tocsin.finding.entity.source_ip": "203.0.113.9"}},
        {"range": {"event.risk_score": {"gte": 80}}},
        {"match": {"message": "spray"}},
    ):
        both: list[dict[str, Any]] = [query, {"term": {"event.kind": "alert"}}]
        found = here.client.search(index=here.stream, query={"bool": {"filter": both}})["hits"]["hits"]
        assert [hit["_id"] for hit in found] == ["f-1"], query
    changes = here.client.search(index=here.stream, query={"term": {"event.kind": "event"}}, sort="@timestamp")
    assert {hit["_source"]["event"]["action"] for hit in changes["hits"]["hits"]} == {
        "incident-opened",
        "incident-resolved",
    }


def test_templates_are_written_once(here: ElasticsearchPlace) -> None:
    sink = here.sink()
    sink.deliver([an_alert(1)], frozenset())
    sink.deliver([an_alert(2)], frozenset())
    sink.close()
    written = [request.path for request in here.front.requests if request.method != "GET"]
    assert len(written) == 2
    assert all("/_bulk" in path for path in written)


def test_older_templates_are_replaced_and_newer_ones_left_alone(here: ElasticsearchPlace) -> None:
    name, template = shipped("index")[1]
    body = {("meta" if key == "_meta" else key): value for key, value in template.items()}

    def version_after(given: int) -> int:
        here.client.indices.put_index_template(name=name, **(body | {"version": given}))
        assert install(here.client) == ""
        (found,) = here.client.indices.get_index_template(name=name)["index_templates"]
        return int(found["index_template"]["version"])

    try:
        assert version_after(0) == template["version"]
        assert version_after(template["version"] + 1) == template["version"] + 1
    finally:
        here.client.indices.put_index_template(name=name, **body)


def test_without_the_right_to_templates_documents_still_arrive(
    here: ElasticsearchPlace, elasticsearch_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidding(request: Request, node: Handler) -> Reply:
        if "template" in request.path:
            return FORBIDDEN
        return node(request)

    with through(elasticsearch_url, forbidding, namespace=here.namespace) as (_, sink):
        assert [result.outcome for result in sink.deliver([an_alert(1)], frozenset())] == ["done"]
    assert "templates could not be installed" in caplog.text
    assert here.arrived() == ["i-1"]


def test_without_any_template_nothing_goes_into_a_plain_index(here: ElasticsearchPlace) -> None:
    sink = here.sink(install_templates=False, namespace=f"{here.namespace}-x".replace("-", "_"))
    here.client.indices.delete_index_template(name=STREAM)
    try:
        (result,) = sink.deliver([an_alert(1)], frozenset())
        assert result.outcome == "retry"
        assert "data stream" in result.why.replace("_", " ")
    finally:
        install(here.client)
        sink.close()


def test_a_rejection_by_the_mapping_is_seen_with_its_reason(here: ElasticsearchPlace, sink: Sink) -> None:
    template = f"wrong-{here.namespace}"
    here.client.indices.put_index_template(
        name=template,
        index_patterns=[here.stream],
        data_stream={},
        priority=999,
        template={"mappings": {"properties": {"organization": {"properties": {"id": {"type": "long"}}}}}},
    )
    try:
        homeless = an_alert(2, incident=an_incident("i-2", tenant=None), findings=())
        results = sink.deliver([an_alert(1), homeless], frozenset())
    finally:
        here.client.indices.delete_data_stream(name=here.stream)
        here.client.indices.delete_index_template(name=template)
    assert [result.outcome for result in results] == ["refused", "done"]
    assert "organization.id" in results[0].why


def test_a_blocked_stream_is_tried_again(here: ElasticsearchPlace, sink: Sink) -> None:
    sink.deliver([an_alert(1)], frozenset())
    for block in ("index.blocks.write", "index.blocks.read_only_allow_delete"):
        here.client.indices.put_settings(index=here.stream, settings={block: True})
        (result,) = sink.deliver([an_alert(2)], frozenset())
        assert result.outcome == "retry"
        assert "block" in result.why
        here.client.indices.put_settings(index=here.stream, settings={block: None})
    assert [result.outcome for result in sink.deliver([an_alert(2)], frozenset({"i-2:1"}))] == ["done"]
    assert here.arrived() == ["i-1", "i-2"]


def test_what_is_in_doubt_is_found_across_a_rollover(here: ElasticsearchPlace, sink: Sink) -> None:
    sink.deliver([an_alert(1)], frozenset())
    here.client.indices.rollover(alias=here.stream)
    (result,) = sink.deliver([an_alert(1)], frozenset({"i-1:1"}))
    assert (result.outcome, result.repeated) == ("done", False)
    assert len(here.documents()) == 2
    sink.deliver([an_alert(1)], frozenset())
    assert len(here.documents()) == 4, "the id alone protects only within one backing index"


def test_where_searching_is_forbidden_what_is_in_doubt_is_marked_as_a_repeat(
    here: ElasticsearchPlace, elasticsearch_url: str
) -> None:
    def forbidding(request: Request, node: Handler) -> Reply:
        if "_search" in request.path or "_refresh" in request.path:
            return FORBIDDEN
        return node(request)

    with through(elasticsearch_url, forbidding, namespace=here.namespace) as (_, sink):
        first, second = sink.deliver([an_alert(1), an_alert(2)], frozenset({"i-1:1"}))
    assert (first.outcome, first.repeated) == ("done", True)
    assert (second.outcome, second.repeated) == ("done", False)


def test_a_body_too_large_is_cut_until_it_is_taken(here: ElasticsearchPlace, elasticsearch_url: str) -> None:
    def narrow(request: Request, node: Handler) -> Reply:
        if "_bulk" in request.path and len(request.body) > 6_000:
            return Reply(413, b"too large", {"content-type": "text/plain", "x-elastic-product": "Elasticsearch"})
        return node(request)

    giant = an_alert(3, text="\n".join(["x" * 400] * 50))
    with through(elasticsearch_url, narrow, namespace=here.namespace) as (_, sink):
        results = sink.deliver([an_alert(1), an_alert(2), giant, an_alert(4)], frozenset())
    assert [result.outcome for result in results] == ["done", "done", "refused", "done"]
    assert "413" in results[2].why
    assert here.arrived() == ["i-1", "i-2", "i-4"]


def test_answers_that_leave_documents_out_or_hide_failures_are_not_believed(
    here: ElasticsearchPlace, elasticsearch_url: str
) -> None:
    found: dict[str, Callable[[list[Any]], list[Any]]] = {
        "retry": lambda items: items[:-1],
        "refused": lambda items: [{"create": item["create"] | {"failure_store": "used"}} for item in items],
    }
    for outcome, change in found.items():

        def altering(request: Request, node: Handler, change: Callable[[list[Any]], list[Any]] = change) -> Reply:
            reply = node(request)
            if "_bulk" not in request.path:
                return reply
            body = msgspec.json.decode(reply.body)
            return Reply(reply.status, msgspec.json.encode(body | {"items": change(body["items"])}), reply.headers)

        with through(elasticsearch_url, altering, namespace=here.namespace) as (_, sink):
            assert [result.outcome for result in sink.deliver([an_alert(1)], frozenset())] == [outcome]


def test_the_sink_waits_for_nobody_and_tries_once(here: ElasticsearchPlace, sink: Sink) -> None:
    sink.deliver([an_alert(1)], frozenset())
    before = len(here.front.requests)
    here.front.always = Fault("reply", reply=Reply(503, b"", {"x-elastic-product": "Elasticsearch"}))
    sink.deliver([an_alert(2), an_alert(3)], frozenset())
    assert len(here.front.requests) == before + 1


def test_an_unknown_certificate_is_accepted_only_when_told_so(here: ElasticsearchPlace) -> None:
    for verify, outcome in ((True, "retry"), (False, "done")):
        sink = here.sink(ca=None, verify=verify)
        assert [result.outcome for result in sink.deliver([an_alert(1)], frozenset())] == [outcome]
        sink.close()


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"api_key": "c2VjcmV0"}, "ApiKey c2VjcmV0"),
        ({"username": "u", "password": "p"}, "Basic " + base64.b64encode(b"u:p").decode()),
    ],
)
def test_credentials_are_sent_as_elasticsearch_wants_them(
    here: ElasticsearchPlace, options: dict[str, str], header: str
) -> None:
    sink = here.sink(**options)
    assert [result.outcome for result in sink.deliver([an_alert(1)], frozenset())] == ["done"]
    sink.close()
    assert {request.headers["authorization"] for request in here.front.requests} == {header}


def test_a_node_killed_midway_gets_everything_once_it_is_back() -> None:
    folder = run_folder() / "elasticsearch-killed"
    folder.mkdir()
    node = OwnNode(folder)
    url = node.start()
    sink = make("elasticsearch", {"url": url, "timeout": 60.0})
    alerts = [an_alert(number) for number in range(4)]
    try:
        assert [result.outcome for result in sink.deliver(alerts[:2], frozenset())] == ["done"] * 2
        node.kill()
        assert [result.outcome for result in sink.deliver(alerts[2:], frozenset())] == ["retry"] * 2
        assert node.start() == url
        everything = frozenset(alert.id for alert in alerts)
        assert [result.outcome for result in sink.deliver(alerts, everything)] == ["done"] * 4
        with Elasticsearch(url) as client:
            client.indices.refresh(index=f"{STREAM}-default")
            assert client.count(index=f"{STREAM}-default")["count"] == 8
    finally:
        sink.close()
        node.kill()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"url": "es:9200"}, "must begin with"),
        ({"url": "http://es", "namespace": "Prod"}, "lower case"),
        ({"url": "http://es", "namespace": "a-b"}, "lower case"),
        ({"url": "http://es", "api_key": "k", "username": "u", "password": "p"}, "not both"),
        ({"url": "http://es", "username": "u"}, "go together"),
        ({"url": "http://es", "index": "x"}, "unknown field"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=complaint):
        make("elasticsearch", options)


def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="certificates cannot be read"):
        make("elasticsearch", {"url": "https://es", "ca": str(tmp_path / "none.pem")})
