"""What Kibana's own types say a Lens chart and a dashboard's panels are, as far as the shipped dashboards use it.

Source: elastic/kibana at 8.9 to 8.12, x-pack/plugins/lens/public/visualizations/xy/types.ts,
datasources/form_based/types.ts and operations/definitions/column_types.ts and terms/types.ts, and
src/plugins/dashboard/common/content_management/v1. Keys that are not named there are refused, which is stricter than
Kibana: it drops or ignores some.
"""

from typing import Annotated, Any, Literal

import msgspec

Series = Literal[
    "bar", "line", "area", "bar_stacked", "area_stacked", "bar_horizontal", "bar_percentage_stacked",
    "bar_horizontal_stacked", "area_percentage_stacked", "bar_horizontal_percentage_stacked",
]  # fmt: skip
Cell = Annotated[int, msgspec.Meta(ge=0)]


class Form(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What has no keys but its own."""


class Column(Form, tag_field="operationType"):
    """A column of any kind; `scale` is what Lens makes axes by."""

    label: str
    data_type: Literal["string", "number", "date", "ip", "boolean"]
    is_bucketed: bool
    scale: Literal["ordinal", "interval", "ratio"]
    source_field: str


class Count(Column, tag="count"):
    """How many documents there are."""


class Sum(Column, tag="sum"):
    """The sum of a field."""


class Interval(Form):
    """How wide a bucket of time is."""

    interval: str


class DateHistogram(Column, tag="date_histogram"):
    """Buckets of time."""

    params: Interval


class ByColumn(Form):
    """Ordered by another column."""

    type: Literal["column"]
    column_id: str


class TopParams(Form):
    """How many values are shown, and which."""

    size: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    order_by: ByColumn
    order_direction: Literal["asc", "desc"]
    other_bucket: bool
    missing_bucket: bool


class Terms(Column, tag="terms"):
    """The values that there are most of."""

    params: TopParams


class Layer(Form):
    """The columns of one query."""

    columns: dict[str, Count | Sum | DateHistogram | Terms]
    column_order: list[str]
    incomplete_columns: dict[str, Any]


class Layers(Form):
    """The queries of a chart."""

    layers: dict[str, Layer]


class Sources(Form):
    """Where the data come from."""

    form_based: Layers


class DataLayer(Form):
    """What is drawn of a query."""

    layer_id: str
    accessors: list[str]
    layer_type: Literal["data"]
    series_type: Series
    x_accessor: str
    split_accessor: str | None = None


class Legend(Form):
    """Where the legend is."""

    is_visible: bool
    position: Literal["top", "bottom", "left", "right"]


class Chart(Form):
    """An XY chart."""

    layers: list[DataLayer]
    legend: Legend
    preferred_series_type: Series
    value_labels: Literal["hide", "show"]


class Query(Form):
    """A query of KQL."""

    language: Literal["kuery"]
    query: str


class State(Form):
    """The state of a Lens visualization."""

    datasource_states: Sources
    visualization: Chart
    query: Query
    filters: list[Any]
    internal_references: list[Any]
    ad_hoc_data_views: dict[str, Any]


class Grid(Form):
    """Where a panel is, in 48 columns."""

    x: Cell
    y: Cell
    w: Annotated[int, msgspec.Meta(ge=1, le=48)]
    h: Annotated[int, msgspec.Meta(ge=1)]
    i: str


class PanelForm(Form):
    """A panel that shows a saved visualization."""

    type: Literal["lens"]
    grid_data: Grid
    panel_index: str
    embeddable_config: dict[str, Any]
    panel_ref_name: str


class Options(Form):
    """How a dashboard looks."""

    use_margins: bool
    hide_panel_titles: bool


SCALES = {"terms": "ordinal", "date_histogram": "interval", "count": "ratio", "sum": "ratio"}
"""The scale that Lens gives a column of each operation."""
