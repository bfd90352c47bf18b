"""The dashboards: as they are made, whole, and about fields that are mapped; run as aggregations by a real node."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from alerting.sinks.elasticsearch.events import Events
from alerting.sinks.elasticsearch.templates import shipped
from scripts.kibana import FOLDER, files
from tests.alerting.sinks.place_elasticsearch import ElasticsearchPlace, place
from tests.alerting.sinks.samples import an_alert
from tests.alerting.sinks.test_events import an_event

NAMES = sorted(files())
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


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Iterator[ElasticsearchPlace]:
    with place(request) as found:
        yield found


@pytest.mark.elasticsearch
@pytest.mark.xdist_group("elasticsearch")
def test_every_breakdown_can_be_computed(here: ElasticsearchPlace) -> None:
    sink = here.sink()
    sink.deliver([an_alert(1)], frozenset())
    sink.close()
    Events(here.client, here.namespace, install_templates=True).send(
        [an_event(tenant="acme", user="a|b", source_ip="203.0.113.9")], in_doubt=False
    )
    streams = {view: f"logs-tocsin.{view}-{here.namespace}" for view in ("alert", "event")}
    try:
        for name in NAMES:
            for view, title, column in columns(name):
                kind, field = column["operationType"], column["sourceField"]
                if kind != "count":
                    options = {"fixed_interval": "1h"} if kind == "date_histogram" else {}
                    answer = here.client.search(
                        index=streams[view], size=0, aggs={"it": {kind: {"field": field, **options}}}
                    )
                    assert answer["_shards"]["failed"] == 0, (name, title)
    finally:
        here.client.indices.delete_data_stream(name=streams["event"])
