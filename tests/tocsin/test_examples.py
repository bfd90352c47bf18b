"""What the documentation offers as an example starts, and says everything that can be said."""

from pathlib import Path

import pytest
import yaml

from stream.control import Warmth
from tocsin.config import Config
from tocsin.setup import prepare

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_example_configuration_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIEM_API_KEY", "c2VjcmV0")
    for name in ("tocsin.example.yaml", "directory.example.yaml"):
        (tmp_path / name).write_bytes((DEPLOY / name).read_bytes())
    (tmp_path / "pagerduty-routing-key").write_text("0123456789abcdef0123456789abcdef\n")
    ready = prepare(tmp_path / "tocsin.example.yaml")
    assert {plan.name for plan in ready.sinks} == {"screen", "siem", "pager"}
    assert [plan.name for plan in ready.sinks if plan.pager] == ["pager"]
    assert set(ready.directory.tenants) == {"acme", "globex"}
    assert Warmth("observe", "data_volume") in ready.modes


def test_the_example_names_every_key() -> None:
    said = yaml.safe_load((DEPLOY / "tocsin.example.yaml").read_text())
    assert set(said) == set(Config.model_fields)
