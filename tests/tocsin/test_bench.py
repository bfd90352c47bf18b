"""What the benchmarks say, in the form that others read; their figures are no test."""

import json
import subprocess
import sys
from pathlib import Path

from tocsin.bench import incidents, stage

ROOT = Path(__file__).parents[2]


def test_figures_are_told_in_the_form_of_the_contract() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tocsin", "bench", "middleware", "--json"], capture_output=True, check=True, cwd=ROOT
    )
    figures = json.loads(told.stdout)
    assert [figure["name"] for figure in figures] == ["middleware_request", "middleware_whole"]
    assert all(set(figure) == {"name", "value", "unit", "n", "gate", "goal"} for figure in figures)
    assert 0 < figures[0]["value"] < figures[1]["value"]


def test_an_unknown_benchmark_is_used_wrongly() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tocsin", "bench", "pipelin"], capture_output=True, text=True, cwd=ROOT
    )
    assert told.returncode == 2
    assert "pipeline" in told.stderr


def test_the_detect_stage_is_measured_over_all_principals() -> None:
    found = stage.run(700, 2_000, stage.CORE)
    assert found["principals"] == 700
    assert float(found["us_per_event"]) > 0
    assert 0 < float(found["idle_bytes_per_principal"]) < 2_000


def test_every_finding_of_the_incident_benchmark_is_its_own() -> None:
    assert incidents.finding(1, 0).id != incidents.finding(2, 0).id
    assert incidents.finding(1, 0).id != incidents.finding(1, 1).id
    assert incidents.finding(1, 0).entity == incidents.finding(1, 1).entity
