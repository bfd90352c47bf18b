"""Detectors are found by name, without importing what nobody configured."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from detectors import discovery
from detectors.discovery import detector_names, load_detector
from stream import offers
from stream.errors import ConfigError, UnavailableError


def test_the_detectors_of_this_folder_are_found() -> None:
    assert {"failed_auth", "data_volume", "cross_tenant"} <= set(detector_names())
    assert "engine" not in detector_names()
    assert load_detector("failed_auth").spec.name == "failed_auth"


def test_names_are_listed_without_importing_any() -> None:
    script = "import sys; from detectors.discovery import detector_names; names = detector_names();" + (
        "sys.exit(any(f'detectors.{name}' in sys.modules for name in names))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="there is no detector 'faild_auth'") as caught:
        load_detector("faild_auth")
    assert "failed_auth" in caught.value.hint


def offer(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = EntryPoint("theirs", value, discovery.OFFERS.group)
    monkeypatch.setattr(offers, "entry_points", lambda group: [point] if group == discovery.OFFERS.group else [])


def test_other_distributions_offer_detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, "tests.detectors.reference:Theirs")
    assert "theirs" in detector_names()
    assert load_detector("theirs").spec.name == "theirs"


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, "no_such_package.detector")
    with pytest.raises(UnavailableError, match="the detector 'theirs' is unavailable") as caught:
        load_detector("theirs")
    assert caught.value.hint == "pip install no-such-package"


def test_what_is_no_detector_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, "tests.detectors.reference:Counts")
    with pytest.raises(ConfigError, match="none of that name"):
        load_detector("theirs")
