"""What the configuration says of modes reaches the detectors, and no longer than it says so."""

import pytest

from detectors.engine.warmup import Warmup
from stream.control import Warmth
from tocsin.config.faults import FaultsError
from tocsin.config.whole import parse_config
from tocsin.learning.modes import faults_of, modes_of

SAID = """
detectors: {data_volume: {mode: observe}}
tenants: {globex: {mode: shadow, detectors: {cross_tenant: live}}}
"""


def told(text: str, warmup: Warmup) -> list[Warmth]:
    for mode in modes_of(parse_config(text).config):
        warmup.obey(mode)
    return warmup.said()


def test_detectors_and_tenants_get_the_modes_that_are_said() -> None:
    assert set(told(SAID, Warmup())) == {
        Warmth("observe", "data_volume"),
        Warmth("shadow", None, "globex"),
        Warmth("live", "cross_tenant", "globex"),
    }


def test_a_mode_ends_with_the_start_after_its_line_was_removed() -> None:
    warmup = Warmup()
    assert told(SAID, warmup)
    assert told("detectors: {data_volume: {mode: live}}", warmup) == [Warmth("live", "data_volume")]
    assert told("", warmup) == []


def test_a_detector_that_does_not_exist_is_a_fault_with_a_hint() -> None:
    loaded = parse_config("tenants: {acme: {detectors: {data_volum: observe}}}")
    (fault,) = faults_of(loaded, ("data_volume", "failed_auth"))
    assert fault.key == "tenants.acme.detectors.data_volum"
    assert "data_volume" in fault.hint


def test_a_mode_that_does_not_exist_is_a_fault() -> None:
    with pytest.raises(FaultsError, match=r"tenants\.acme\.mode"):
        parse_config("tenants: {acme: {mode: loud}}")
