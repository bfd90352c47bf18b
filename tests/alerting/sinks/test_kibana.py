"""The dashboards: as they are made, whole, and about fields that are mapped; run as aggregations by a real node."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from alerting.sinks.elasticsearch.events import Events
from alerting.sinks.elasticsearch.templates import shipped
from detectors.discovery import detector_names
from scripts.kibana import FOLDER, files
from stream.finding import CLASSES
from tests.alerting.sinks.kibana_forms import SCALES, Options, PanelForm, State
from tests.alerting.sinks.place_elasticsearch import ElasticsearchPlace, place
from tests.alerting.sinks.samples import a_finding, an_alert
from tests.alerting.sinks.test_events import an_event
from tocsin_audit.event import KINDS, OUTCOMES

NAMES = sorted(files())
SHOWN_AS = {"keyword": "string", "ip": "ip", "boolean": "boolean", "date": "date", "long": "number", "float": "number"}
"""The type that Lens knows a mapped field by."""
LENS_FIELDS = {"terms": {"keyword", "ip", "boolean"}, "date_histogram": {"date"}, "sum": {"long", "float"}}


def objects(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files()[name].splitlines()]


def columns(name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each column of each visualization, with its data view and query."""
    for one in objects(name):
        if one["type"] == "lens":
            view = one["references"][0]["id"].removeprefix("tocsin-")
            for layer in one["attributes"]["state"]["datasourceStates"]["formBased"]["layers"].values():
                for column in layer["columns"].values():
                    yield view, one["attributes"]["title"], column


def mapped(view: str) -> dict[str, str]:
    """The fields of a data view's template with their types."""
    index = dict(shipped("index"))[f"logs-tocsin.{view}"]
    components = dict(shipped("component"))
    found: dict[str, str] = {}

    def walk(properties: dict[str, Any], path: str) -> None:
        for field, mapping in properties.items():
            if "properties" in mapping:
                walk(mapping["properties"], f"{path}{field}.")
            else:
                found[f"{path}{field}"] = mapping["type"]

    for component in index["composed_of"]:
        if component in components:
            walk(components[component]["template"]["mappings"]["properties"], "")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_what_the_script_makes(name: str) -> None:
    assert (FOLDER / name).read_text() == files()[name], "run `.venv/bin/python -m scripts.kibana`"


def test_no_file_outlives_its_dashboard() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.ndjson")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_is_referred_to_is_in_the_file(name: str) -> None:
    there = {(one["type"], one["id"]) for one in objects(name)}
    assert {(tie["type"], tie["id"]) for one in objects(name) for tie in one["references"]} <= there
    (dashboard,) = [one for one in objects(name) if one["type"] == "dashboard"]
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    ties = {tie["name"] for tie in dashboard["references"]}
    assert {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels} == ties
    places = {(panel["gridData"]["x"], panel["gridData"]["y"]) for panel in panels}
    assert len(places) == len(panels)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_mapped_and_of_a_type_that_can_be_shown_so(name: str) -> None:
    for view, title, column in columns(name):
        if column["operationType"] != "count":
            assert mapped(view)[column["sourceField"]] in LENS_FIELDS[column["operationType"]], title


ATTRIBUTES: dict[str, dict[str, type]] = {
    "index-pattern": {"title": str, "name": str, "timeFieldName": str, "allowHidden": bool},
    "lens": {"title": str, "visualizationType": str, "state": dict},
    "dashboard": {
        "title": str,
        "description": str,
        "panelsJSON": str,
        "optionsJSON": str,
        "timeRestore": bool,
        "timeFrom": str,
        "timeTo": str,
        "kibanaSavedObjectMeta": dict,
    },
}
"""Attributes and their types in Kibana's own schemas of 8.9 and later, which forbid others: an import refuses them."""
VERSIONS = {"index-pattern": "8.0.0", "lens": "8.9.0", "dashboard": "8.9.0"}
"""The versions in exports of Kibana 8.12, where 8.9 was the last to change these types; later ones migrate from it."""
VOCABULARY: dict[str, frozenset[str]] = {
    "event.kind": frozenset({"alert", "event"}),
    "event.category": frozenset({"authentication", "iam", "configuration", "process", "api", "session"}),
    "mcp.outcome": OUTCOMES,
    "mcp.kind": KINDS,
    "rule.name": frozenset(detector_names()),
    "tocsin.finding.class": frozenset(CLASSES),
    "tocsin.page": frozenset({"true", "false"}),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_object_has_the_form_that_an_import_takes(name: str) -> None:
    assert files()[name].endswith("\n"), "one object a line"
    for one in objects(name):
        kind = one["type"]
        assert set(one) == {
            "type", "id", "attributes", "references", "coreMigrationVersion", "typeMigrationVersion", "managed",
        }  # fmt: skip
        assert {name: type(value) for name, value in one["attributes"].items()} == ATTRIBUTES[kind]
        if kind == "dashboard":
            assert set(one["attributes"]["kibanaSavedObjectMeta"]) == {"searchSourceJSON"}
            for written in ("panelsJSON", "optionsJSON"):
                json.loads(one["attributes"][written])
        assert one["typeMigrationVersion"] == VERSIONS[kind]
        assert re.fullmatch(r"tocsin-[a-z0-9-]+", one["id"])
        assert all(set(tie) == {"type", "id", "name"} for tie in one["references"])
    ids = [one["id"] for one in objects(name)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", NAMES)
def test_every_chart_and_panel_is_what_kibanas_own_types_say(name: str) -> None:
    for one in objects(name):
        match one["type"]:
            case "lens":
                state = msgspec.convert(one["attributes"]["state"], State)
                assert one["attributes"]["visualizationType"] == "lnsXY"
                for layer in state.datasource_states.form_based.layers.values():
                    for column in layer.columns.values():
                        operation = column.__struct_config__.tag
                        assert column.scale == SCALES[str(operation)]
                        assert (column.source_field == "___records___") == (operation == "count")
                        field = mapped(one["references"][0]["id"].removeprefix("tocsin-")).get(column.source_field)
                        assert column.data_type == ("number" if field is None else SHOWN_AS[field])
            case "dashboard":
                msgspec.json.decode(one["attributes"]["panelsJSON"], type=list[PanelForm])
                msgspec.json.decode(one["attributes"]["optionsJSON"], type=Options)


@pytest.mark.parametrize("name", NAMES)
def test_a_visualization_refers_to_columns_and_layers_that_it_has(name: str) -> None:
    for one in objects(name):
        if one["type"] != "lens":
            continue
        state = one["attributes"]["state"]
        layers = state["datasourceStates"]["formBased"]["layers"]
        (shown,) = state["visualization"]["layers"]
        columns = layers[shown["layerId"]]["columns"]
        assert {tie["name"] for tie in one["references"]} == {f"indexpattern-datasource-layer-{key}" for key in layers}
        assert layers[shown["layerId"]]["columnOrder"] == list(columns)
        assert {shown["xAccessor"], *shown["accessors"], shown.get("splitAccessor", "by")} == set(columns)
        assert all(not columns[key]["isBucketed"] for key in shown["accessors"])
        for column in columns.values():
            if column["operationType"] == "terms":
                assert column["params"]["orderBy"]["columnId"] in columns


@pytest.mark.parametrize("name", NAMES)
def test_panels_stand_within_the_dashboard_and_not_on_one_another(name: str) -> None:
    (dashboard,) = [one for one in objects(name) if one["type"] == "dashboard"]
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
        grid = panel["gridData"]
        cells = {(grid["x"] + x, grid["y"] + y) for x in range(grid["w"]) for y in range(grid["h"])}
        assert all(0 <= x < 48 for x, _ in cells)
        assert not taken & cells
        taken |= cells
        assert grid["i"] == panel["panelIndex"]


@pytest.mark.parametrize("name", NAMES)
def test_a_query_asks_for_mapped_fields_and_values_that_there_are(name: str) -> None:
    for view, title, query in queries(name):
        for _, field, value in parsed(query):
            assert field in mapped(view), title
            assert value == "*" or value in VOCABULARY[field], title


def queries(name: str) -> Iterator[tuple[str, str, str]]:
    """Each visualization's data view, title and query."""
    for one in objects(name):
        if one["type"] == "lens":
            query = one["attributes"]["state"]["query"]
            assert query["language"] == "kuery"
            yield one["references"][0]["id"].removeprefix("tocsin-"), one["attributes"]["title"], query["query"]


def parsed(query: str) -> list[tuple[bool, str, str]]:
    """A query of KQL as `and` of terms, each perhaps negated; raises ValueError for more than the dashboards use."""
    found = []
    for part in query.split(" and ") if query else []:
        match = re.fullmatch(r"(not )?([a-z_.]+): ([a-z_]+|\*)", part)
        if match is None:
            raise ValueError(f"no KQL that is known here: {part}")
        found.append((match[1] is None, match[2], match[3]))
    return found


def as_dsl(query: str) -> dict[str, Any]:
    """What Kibana makes of such a query: `exists` for a star, `match` for a value, in a `bool` filter."""
    bool_: dict[str, list[Any]] = {"filter": [], "must_not": []}
    for wanted, field, value in parsed(query):
        clause = {"exists": {"field": field}} if value == "*" else {"match": {field: value}}
        bool_["filter" if wanted else "must_not"].append(clause)
    return {"bool": bool_}


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Iterator[ElasticsearchPlace]:
    with place(request) as found:
        yield found


@pytest.mark.elasticsearch
@pytest.mark.xdist_group("elasticsearch")
def test_every_panel_shows_what_it_is_about(here: ElasticsearchPlace) -> None:
    findings = (
        a_finding("f-1"),
        a_finding("f-2", class_="audit_gap", detector="audit_gap", entity={"producer": "p1"}),
        a_finding("f-3", class_="brute", detector="failed_auth"),
    )
    sink = here.sink()
    (result,) = sink.deliver([an_alert(1, findings=findings)], frozenset())
    sink.close()
    assert result.outcome == "done"
    who = {"tenant": "acme", "user": "a|b", "source_ip": "203.0.113.9", "producer": "p1"}
    sent = Events(here.client, here.namespace, install_templates=True).send(
        [
            an_event(
                id="1",
                target="find",
                **who,
                resource_tenants=("globex",),
                data_classes=("pii",),
                rows=3,
                response_bytes=700,
            ),
            an_event(id="2", **who, outcome="auth_invalid", reason="bad password"),
            an_event(id="3", **who, outcome="authz_denied"),
            an_event(id="4", producer="p1", kind="heartbeat", method=None, target=None),
        ],
        in_doubt=False,
    )
    assert (sent.retry, sent.refused) == (None, ())
    streams = {view: f"logs-tocsin.{view}-{here.namespace}" for view in ("alert", "event")}
    here.client.indices.refresh(index=",".join(streams.values()))
    try:
        for name in NAMES:
            columns_of = {
                title: [one for _, its, one in columns(name) if its == title] for _, title, _ in queries(name)
            }
            for view, title, query in queries(name):
                answer = here.client.search(
                    index=streams[view], size=0, query=as_dsl(query), aggs=nested(columns_of[title])
                )
                assert answer["_shards"]["failed"] == 0, (name, title)
                assert answer["hits"]["total"]["value"] > 0, (name, title, "its query finds nothing")
                assert_shown(answer["aggregations"], columns_of[title], (name, title))
    finally:
        here.client.indices.delete_data_stream(name=streams["event"])


def nested(columns: list[dict[str, Any]]) -> dict[str, Any]:
    """The aggregations that Lens makes of columns: buckets within buckets, the amount innermost."""
    aggs: dict[str, Any] = {}
    for column in reversed(columns):
        kind, field = column["operationType"], column["sourceField"]
        match kind:
            case "count":
                continue
            case "sum":
                aggs = {"amount": {"sum": {"field": field}}, **aggs}
            case "date_histogram":
                aggs = {"inner": {"date_histogram": {"field": field, "fixed_interval": "1h"}, "aggs": aggs}}
            case "terms":
                size = column["params"]["size"]
                aggs = {"inner": {"terms": {"field": field, "size": size}, "aggs": aggs}}
    return aggs


def assert_shown(answer: Any, columns: list[dict[str, Any]], what: tuple[str, str]) -> None:
    """Somewhere down the buckets there is something to draw."""
    depth = sum(column["isBucketed"] for column in columns)
    levels = [answer]
    for _ in range(depth):
        levels = [bucket for one in levels for bucket in one["inner"]["buckets"]]
        assert levels, what
    assert any(one["doc_count"] > 0 and one.get("amount", {"value": 1})["value"] > 0 for one in levels), what
