"""Write Kibana's dashboards, `deploy/kibana/*.ndjson`, from the few lines that say what each of them shows.

The form is that of saved objects as Kibana 8.9 exports and later ones migrate them: data views, Lens visualizations and
dashboards, tied together by references. Fields are those of the shipped index templates.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "kibana"
LAYER: Final = "layer1"
CORE: Final = "8.8.0"
VERSION: Final = "8.9.0"
VIEWS: Final = {"alert": "logs-tocsin.alert-*", "event": "logs-tocsin.event-*"}
MOST: Final = 10
"""Values that a breakdown shows."""
WIDTH, HEIGHT = 24, 12
"""A panel is half of the 48 columns of a dashboard."""


@dataclass(frozen=True)
class Panel:
    """One visualization: how much there is (or the sum of a field) over time or by a field, broken down by another."""

    title: str
    view: Literal["alert", "event"]
    query: str
    by: str = "@timestamp"
    split: str | None = None
    sum: str | None = None


DASHBOARDS: Final[dict[str, tuple[str, Sequence[Panel]]]] = {
    "alerts": (
        "Tocsin: alerts",
        (
            Panel("Findings by severity", "alert", "event.kind: alert", split="tocsin.severity"),
            Panel("Pages", "alert", "tocsin.page: true", split="rule.category"),
            Panel("Findings by class", "alert", "event.kind: alert", "tocsin.finding.class", "tocsin.severity"),
            Panel("Changes of incidents by status", "alert", "event.kind: event", "tocsin.incident.status"),
            Panel("Tenants", "alert", "event.kind: alert", "organization.id", "tocsin.severity"),
            Panel("Techniques", "alert", "event.kind: alert", "threat.technique.id"),
        ),
    ),
    "auth": (
        "Tocsin: authentication",
        (
            Panel("Attempts by outcome", "event", "event.category: authentication", split="mcp.outcome"),
            Panel("Reasons", "event", "mcp.outcome: auth_invalid", "mcp.reason"),
            Panel("Sources of failures", "event", "mcp.outcome: auth_invalid", "source.ip"),
            Panel("Principals with failures", "event", "mcp.outcome: auth_invalid", "user.name"),
            Panel("Denied by scope or policy", "event", "mcp.outcome: authz_denied", split="service.name"),
            Panel(
                "Findings about logins", "alert", "event.kind: alert and rule.name: failed_auth", split="rule.category"
            ),
        ),
    ),
    "data-access": (
        "Tocsin: data access",
        (
            Panel("Bytes returned", "event", "mcp.outcome: ok", split="service.name", sum="http.response.bytes"),
            Panel("Rows returned", "event", "mcp.outcome: ok", split="service.name", sum="mcp.rows"),
            Panel("Tools and resources", "event", "event.category: api", "mcp.target"),
            Panel("Readers by bytes", "event", "mcp.outcome: ok", "user.name", sum="http.response.bytes"),
            Panel(
                "Owners of what was touched", "event", "mcp.resource_tenants: *", "mcp.resource_tenants", "mcp.tenant"
            ),
            Panel("Data classes", "event", "mcp.data_classes: *", "mcp.data_classes"),
        ),
    ),
    "coverage": (
        "Tocsin: coverage",
        (
            Panel("Events by producer", "event", "", split="mcp.producer"),
            Panel("Heartbeats by producer", "event", "mcp.kind: heartbeat", split="mcp.producer"),
            Panel("Servers", "event", "", "service.name", "mcp.kind"),
            Panel("Outcomes", "event", "", "mcp.outcome"),
            Panel("Callers that nobody names", "event", "not mcp.tenant: *", split="service.name"),
            Panel("Gaps", "alert", "tocsin.finding.class: audit_gap", split="organization.id"),
        ),
    ),
}


def files() -> dict[str, str]:
    """Every file by its name."""
    return {f"{name}.ndjson": _file(name, title, panels) for name, (title, panels) in DASHBOARDS.items()}


def _file(name: str, title: str, panels: Sequence[Panel]) -> str:
    objects = [_view(view) for view in sorted({panel.view for panel in panels})]
    objects += [_lens(f"tocsin-{name}-{number}", panel) for number, panel in enumerate(panels, 1)]
    objects.append(_dashboard(name, title, panels))
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)


def _view(view: str) -> dict[str, Any]:
    attributes = {"title": VIEWS[view], "name": f"Tocsin {view}s", "timeFieldName": "@timestamp", "allowHidden": False}
    return _object("index-pattern", f"tocsin-{view}", attributes, [], "8.0.0")


def _lens(identity: str, panel: Panel) -> dict[str, Any]:
    columns: dict[str, Any] = {"by": _by(panel.by), "amount": _amount(panel.sum)}
    if panel.split is not None:
        columns = {"split": _terms(panel.split), **columns}
    over_time = panel.by == "@timestamp"
    layer: dict[str, Any] = {
        "layerId": LAYER,
        "layerType": "data",
        "seriesType": "bar_stacked" if over_time else "bar_horizontal_stacked",
        "xAccessor": "by",
        "accessors": ["amount"],
    }
    if panel.split is not None:
        layer["splitAccessor"] = "split"
    form = {"columns": columns, "columnOrder": list(columns), "incompleteColumns": {}}
    attributes = {
        "title": panel.title,
        "visualizationType": "lnsXY",
        "state": {
            "datasourceStates": {"formBased": {"layers": {LAYER: form}}},
            "visualization": {
                "layers": [layer],
                "legend": {"isVisible": True, "position": "right"},
                "preferredSeriesType": layer["seriesType"],
                "valueLabels": "hide",
            },
            "query": {"language": "kuery", "query": panel.query},
            "filters": [],
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }
    tie = {"type": "index-pattern", "id": f"tocsin-{panel.view}", "name": f"indexpattern-datasource-layer-{LAYER}"}
    return _object("lens", identity, attributes, [tie], VERSION)


def _by(field: str) -> dict[str, Any]:
    if field != "@timestamp":
        return _terms(field)
    shown = {"label": "@timestamp", "dataType": "date", "isBucketed": True, "scale": "interval"}
    return {**shown, "operationType": "date_histogram", "sourceField": field, "params": {"interval": "auto"}}


def _terms(field: str) -> dict[str, Any]:
    order = {"orderBy": {"type": "column", "columnId": "amount"}, "orderDirection": "desc"}
    shown = {"label": field, "dataType": "ip" if field == "source.ip" else "string", "isBucketed": True}
    params = {"size": MOST, **order, "otherBucket": True, "missingBucket": False}
    return {**shown, "scale": "ordinal", "operationType": "terms", "sourceField": field, "params": params}


def _amount(field: str | None) -> dict[str, Any]:
    shown = {"dataType": "number", "isBucketed": False, "scale": "ratio"}
    if field is None:
        return {**shown, "label": "Count", "operationType": "count", "sourceField": "___records___"}
    return {**shown, "label": f"Sum of {field}", "operationType": "sum", "sourceField": field}


def _dashboard(name: str, title: str, panels: Sequence[Panel]) -> dict[str, Any]:
    placed, ties = [], []
    for number in range(len(panels)):
        key = str(number + 1)
        grid = {"x": number % 2 * WIDTH, "y": number // 2 * HEIGHT, "w": WIDTH, "h": HEIGHT, "i": key}
        placed.append(
            {
                "type": "lens",
                "gridData": grid,
                "panelIndex": key,
                "embeddableConfig": {},
                "panelRefName": f"panel_{key}",
            }
        )
        ties.append({"type": "lens", "id": f"tocsin-{name}-{key}", "name": f"{key}:panel_{key}"})
    attributes = {
        "title": title,
        "description": "",
        "panelsJSON": json.dumps(placed),
        "optionsJSON": json.dumps({"useMargins": True, "hidePanelTitles": False}),
        "timeRestore": True,
        "timeFrom": "now-24h",
        "timeTo": "now",
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": json.dumps({"query": {"language": "kuery", "query": ""}, "filter": []})
        },
    }
    return _object("dashboard", f"tocsin-{name}", attributes, ties, VERSION)


def _object(kind: str, identity: str, attributes: dict[str, Any], ties: Sequence[Any], version: str) -> dict[str, Any]:
    return {
        "type": kind,
        "id": identity,
        "attributes": attributes,
        "references": list(ties),
        "coreMigrationVersion": CORE,
        "typeMigrationVersion": version,
        "managed": False,
    }


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
