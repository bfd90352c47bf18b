"""How far the warm-up is, for `/api/v1/status`: who has a past of its own, who is near it, what is still learned."""

from typing import Any, Final

import msgspec

from detectors.engine.engine import Engine
from detectors.engine.live import WARM_DAYS, WARM_HOURS, WARM_RUNS
from detectors.engine.warmup import LEARNED_DAYS, PEERS

NEAREST: Final = 20
TENANTS: Final = 100


def warm_up(engine: Engine) -> dict[str, Any]:
    """Where promotion stands; safe to ask from another thread than the one that folds."""
    warmup = engine.warmup
    since = sorted(warmup.since(engine.clock).items(), key=lambda item: (item[1], item[0]))
    return {
        "volume": {
            "principals": engine.sizes_known("principal"),
            "warm": warmup.warm,
            "groups_that_stand_in": warmup.groups(),
            "needs": {"hours": WARM_HOURS, "days": WARM_DAYS, "or_days": WARM_RUNS, "or_peers": PEERS},
            "nearest": [
                {"entity": dict(entity.names), "tenant": entity.tenant, "hours": hours, "days": days}
                for entity, hours, days in engine.warming(NEAREST)
            ],
        },
        "learned": {
            "needs": {"days": LEARNED_DAYS},
            "tenants": [
                {"tenant": tenant, "days": round(days, 2)} for tenant, days in since[:TENANTS] if days < LEARNED_DAYS
            ],
            "warm": sum(days >= LEARNED_DAYS for _, days in since),
        },
        "said": [
            {key: value for key, value in msgspec.to_builtins(one).items() if value is not None and key != "control"}
            for one in warmup.said()
        ],
    }
