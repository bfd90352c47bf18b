"""What the documentation offers as an example starts, and says everything that can be said."""

from pathlib import Path

import pytest
import yaml

from alerting.discovery import sink_names
from stream.control import Warmth
from tocsin.config.whole import Config
from tocsin.setup import prepare

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_example_configuration_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIEM_API_KEY", "c2VjcmV0")
    for name in ("tocsin.example.yaml", "directory.example.yaml"):
        (tmp_path / name).write_bytes((DEPLOY / name).read_bytes())
    secrets = {
        "pagerduty-routing-key": "0123456789abcdef0123456789abcdef",
        "tickets-secret": "0123456789abcdef",
        "tickets-authorization": "Bearer abc",
        "slack-token": "xoxb-1234-5678-abcdef",
        "teams-webhook": "https://prod-1.westeurope.logic.azure.com/workflows/abc",
        "opsgenie-key": "eb243592-faa2-4ba2-a551q-1afdf565c889",
        "mail-url": "mailtos://tocsin:secret@smtp.example?to=soc@example.org",
        "heartbeat-url": "https://heartbeat.example/abc",
        "master-key": "bWFzdGVyLWtleS1tYXN0ZXIta2V5LW1hc3Rlci1rZXk=",
    }
    for name, secret in secrets.items():
        (tmp_path / name).write_text(f"{secret}\n")
    ready = prepare(tmp_path / "tocsin.example.yaml")
    assert {plan.kind.name for plan in ready.sinks} == set(sink_names()), "one of each"
    assert [plan.name for plan in ready.sinks if plan.pager] == ["pager", "team", "channel", "second-pager"]
    assert ready.heartbeat is not None
    assert set(ready.directory.tenants) == {"acme", "globex"}
    assert Warmth("observe", "data_volume") in ready.modes


def test_the_example_names_every_key() -> None:
    said = yaml.safe_load((DEPLOY / "tocsin.example.yaml").read_text())
    assert set(said) == set(Config.model_fields)
