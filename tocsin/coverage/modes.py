"""Under which mode each detector looks, as coverage writes it down: for everybody, and where a tenant's is another."""

from collections.abc import Iterable

from detectors.base import Spec
from detectors.engine.warmup import AUTOMATIC
from stream.control import Warmth
from stream.coverage import Mode

LIVE = "live"
EARNED = "earned"
"""Findings are told once an entity's own past, or its tenant's, is enough to judge by; until then they are not."""


def modes_in(specs: Iterable[Spec], said: Iterable[Warmth]) -> tuple[Mode, ...]:
    """By detector the mode that holds whatever the entity is; `said` are the operator's words in their order."""
    given: dict[tuple[str | None, str | None], str] = {}
    for word in said:
        place = word.detector, word.tenant
        if word.mode != AUTOMATIC:
            given[place] = word.mode
        elif place == (None, None):
            given.clear()
        else:
            given.pop(place, None)
    tenants = sorted({tenant for _, tenant in given if tenant is not None})
    found = []
    for spec in sorted(specs, key=lambda spec: spec.name):
        plain = EARNED if spec.warm_up else LIVE
        overall = given.get((spec.name, None)) or given.get((None, None)) or plain
        found.append(Mode(spec.name, "", overall))
        for tenant in tenants:
            places = ((spec.name, tenant), (spec.name, None), (None, tenant), (None, None))
            own = next((given[place] for place in places if place in given), plain)
            if own != overall:
                found.append(Mode(spec.name, tenant, own))
    return tuple(found)
