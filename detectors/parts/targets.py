"""Different targets by minute, with the samples that show them."""

from typing import Any, ClassVar

from detectors.parts.distinct import Distinct
from detectors.parts.extent import Extent
from detectors.parts.ring import Ring


class Targets:
    """How many different targets one cell saw, and how often, from when to when.

    `told` holds for windows that end here, by their width, the level they were told at and how many more targets cannot
    raise it: it only saves work, and is worked out anew after a restart.
    """

    __slots__ = ("extent", "targets", "told")

    def __init__(self) -> None:
        self.extent = Extent()
        self.targets = Distinct()
        self.told: dict[int, tuple[int, int]] = {}

    def update(self, other: "Targets") -> None:
        """Count all that another counted."""
        self.extent.update(other.extent)
        self.targets.update(other.targets)

    def pack(self) -> Any:
        """Extent and targets."""
        return [self.extent.pack(), self.targets.pack()]

    @classmethod
    def unpack(cls, packed: Any) -> "Targets":
        """The part that `pack` wrote."""
        made = cls()
        made.extent = Extent.unpack(packed[0])
        made.targets = Distinct.unpack(packed[1])
        return made


class TargetRing(Ring[Targets]):
    """Targets by minute, held three hours."""

    kind: ClassVar[Any] = Targets
    __slots__ = ()
