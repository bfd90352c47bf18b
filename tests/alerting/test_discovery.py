import subprocess
import sys
from pathlib import Path

import pytest

from alerting.discovery import load_sink, sink_names
from stream.errors import ConfigError, UnavailableError


def offer(folder: Path, name: str, code: str) -> None:
    """Install a distribution that offers a sink."""
    (folder / f"{name}_module.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[tocsin.sinks]\n{name} = {name}_module\n")


def test_sinks_are_listed_without_importing_any() -> None:
    program = (
        "import sys; from alerting.discovery import sink_names; print(*sink_names());"
        "sys.exit(any(name in sys.modules for name in ('elasticsearch', 'pagerduty', 'rich')))"
    )
    listed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"elasticsearch", "pagerduty", "terminal"} <= set(listed.stdout.split())


def test_a_sink_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(ConfigError, match="no sink 'pager'") as caught:
        load_sink("pager")
    assert "pagerduty" in caught.value.hint


def test_other_distributions_offer_sinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, "carrier_pigeon", "class Pigeon:\n    name = 'carrier_pigeon'\n\nSINK = Pigeon\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "carrier_pigeon" in sink_names()
    assert load_sink("carrier_pigeon").name == "carrier_pigeon"


def test_a_missing_package_is_named_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, "smoke_signals", "import fire_place.logs\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnavailableError, match="unavailable") as caught:
        load_sink("smoke_signals")
    assert caught.value.hint == "pip install fire-place"
