"""How many attacks `failed_auth` finds, and how many decoys it pages for, in whichever words a producer writes them."""

from collections.abc import Iterable
from itertools import product
from typing import Final

import pytest

from detectors.failed_auth import FailedAuth
from stream.finding import Class, at_least
from tests.detectors.failed_auth_worlds import ATTACKS, DECOYS, PACES, PASTS, STYLES, Case, build
from tests.detectors.streams import frames, run

SEED: Final = 7
ALLOWED: Final = 0.02
"""The share of attacks that may be missed, and of decoys that may page."""


def sample(scenario: str) -> list[Case]:
    """Some styles, with the paces and pasts in turn."""
    turns = list(product(PACES, PASTS))
    first = [*ATTACKS, *DECOYS].index(scenario)
    return [
        Case(scenario, style, *turns[(first + number) % len(turns)], SEED)
        for number, style in enumerate(STYLES)
        if (number + first) % 3 == 0
    ]


def told(case: Case) -> tuple[set[Class], set[Class]]:
    """The classes that were told, and those that paged."""
    findings = run([FailedAuth()], frames(build(case).events))
    paged = {one.class_ for one in findings if at_least(one.severity, "high")}
    return {one.class_ for one in findings if at_least(one.severity, "medium")}, paged


def missed(cases: Iterable[Case]) -> list[Case]:
    return [case for case in cases if not told(case)[0] & build(case).wanted]


def paged(cases: Iterable[Case]) -> list[Case]:
    return [case for case in cases if told(case)[1]]


def fifth(scenario: str) -> list[Case]:
    """Of all styles, paces and pasts every fifth combination."""
    return [Case(scenario, *chosen, SEED + 1) for chosen in list(product(STYLES, PACES, PASTS))[::5]]


@pytest.mark.parametrize("scenario", ATTACKS)
def test_an_attack_is_found_however_its_producer_writes(scenario: str) -> None:
    assert missed(sample(scenario)) == []


@pytest.mark.parametrize("scenario", [*DECOYS, "outage"])
def test_what_only_looks_like_an_attack_pages_nobody(scenario: str) -> None:
    assert paged(sample(scenario)) == []


@pytest.mark.long
@pytest.mark.parametrize("scenario", ATTACKS)
def test_hardly_any_attack_is_missed(scenario: str) -> None:
    cases = fifth(scenario)
    assert len(missed(cases)) <= ALLOWED * len(cases)


@pytest.mark.long
@pytest.mark.parametrize("scenario", [*DECOYS, "outage"])
def test_hardly_any_decoy_pages(scenario: str) -> None:
    cases = fifth(scenario)
    assert len(paged(cases)) <= ALLOWED * len(cases)
