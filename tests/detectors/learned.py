"""Models for the tests of detectors that are told what was learned elsewhere."""

from collections.abc import Sequence

from detectors.outlier import FAR, LIMIT, NAME
from detectors.outliers.habits import CALLS
from detectors.parts.forest import DEPTH, LEAF, Forest, digest
from detectors.parts.quantised import OCTAVE
from stream.control import Model
from tests.detectors.traffic import TENANTS


def busier(octaves: float = 1.0) -> Forest:
    """Finds odd whoever makes that many octaves more calls than usual: one cut for these, five for all others."""
    return Forest([CALLS, LEAF, LEAF], [round(octaves * OCTAVE), 5 * DEPTH, DEPTH], [2, 0, 0], [0])


def outlier_models(tenants: Sequence[str] = TENANTS, since: float = 0.0, octaves: float = 1.0) -> list[Model]:
    """Such a forest for each tenant."""
    arrays = busier(octaves).pack()
    about = {LIMIT: 2.0 * DEPTH, FAR: 0.0}
    return [Model(NAME, tenant, since, digest(arrays), arrays, about) for tenant in tenants]
