"""What goes wrong where several listeners share a log is said before it does."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Call = Callable[..., Result]

ALONE = "kafka.replication is 1"
APART = "privacy.fingerprint_key is not set"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, {APART}),
        ({"kafka": {"replication": 1}}, {APART, ALONE}),
        ({"privacy": {"fingerprint_key": {"file": "key"}}}, set()),
        ({"log": "sqlite"}, set()),
    ],
)
def test_check_warns_of_it(tocsin: Call, settings: dict[str, object], said: set[str]) -> None:
    Path("key").write_text("k1:0123456789abcdef")
    Path("tocsin.yaml").write_text(json.dumps({"log": "kafka://127.0.0.1:9/x", **settings}))
    done = tocsin("check")
    assert done.exit_code == 0, done.stdout
    shown = " ".join(done.stdout.split())
    assert {warning for warning in (APART, ALONE) if f"warning: {warning}" in shown} == said


def test_a_key_from_the_environment_is_enough(tocsin: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_FINGERPRINT_KEY", "k1:0123456789abcdef")
    Path("tocsin.yaml").write_text(json.dumps({"log": "kafka://127.0.0.1:9/x"}))
    assert APART not in " ".join(tocsin("check").stdout.split())
