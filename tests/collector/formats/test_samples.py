"""Every format makes of its samples what was read and found right, and claims no field that none of them shows."""

import json

import pytest

from collector.discovery import format_names, load_format
from collector.format import read
from tests.collector.formats.cases import Case, cases, expected, names, protobuf
from tocsin_audit.event import items

CASES = [case for form in names() for case in cases(form)]
EVERYWHERE = {"v", "received", "late", "skewed", "id", "kind", "action", "bytes_quality"}
"""Fields that follow from others, or that Tocsin sets."""
OTLP = [case for case in CASES if case.form == "otel"]


def test_every_format_has_samples() -> None:
    assert set(names()) == set(format_names())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.form}: {case.about}")
def test_a_sample_becomes_the_events_that_were_found_right(case: Case) -> None:
    (golden,) = [each for each in expected(case.form) if each["about"] == case.about]
    assert case.outcome == golden
    assert golden["error"] is None
    assert (golden["events"] == []) is case.silent


@pytest.mark.parametrize("form", names())
def test_a_format_tells_the_fields_that_its_samples_show(form: str) -> None:
    events = [event for case in cases(form) for event in read(load_format(form), case.record).events]
    shown = {name for event in events for name, _ in items(event)}
    assert load_format(form).about.fields - EVERYWHERE == shown - EVERYWHERE


@pytest.mark.parametrize("case", [case for case in CASES if not case.silent], ids=lambda c: f"{c.form}: {c.about}")
def test_a_record_is_found_to_be_of_its_format(case: Case) -> None:
    auto = load_format("auto")
    assert auto.parse(case.record) == load_format(case.form).parse(case.record)


@pytest.mark.parametrize("case", OTLP, ids=lambda case: case.about)
def test_protobuf_says_the_same_as_json(case: Case) -> None:
    form = load_format("otel")
    assert form.parse(protobuf(case.record)) == form.parse(case.record)


@pytest.mark.parametrize("form", names())
def test_a_sample_names_the_product_it_is_written_after_and_how_that_was_checked(form: str) -> None:
    ((product, verified),) = {(case.product, case.verified) for case in cases(form)}
    assert len(verified) > 10
    assert any(letter.isdigit() for letter in product) or "November 2026" in product
    assert load_format(form).about.versions
    assert json.dumps(product)
