"""The seal role: whoever the group names seals; all others stand by."""

import logging
import time
from collections.abc import Callable
from typing import Final

from stream.broker.group import Membership
from tocsin.proof.sealing import Sealing

logger = logging.getLogger("tocsin.seal")

GROUP: Final = "seal"
PARTITION: Final = 0
"""There is one ledger, so there is one serial sealer; a second process takes over from it."""


class Sealers:
    """Seals and anchors while the group says that it is this process's turn.

    `make` opens the ledger anew with each take-over, since somebody else may have written it meanwhile; it refuses one
    that is not the ledger that was last seen beside this log.
    """

    def __init__(self, membership: Membership, make: Callable[[], Sealing], anchor_seconds: float) -> None:
        self.sealing: Sealing | None = None
        self._membership = membership
        self._make = make
        self._every = anchor_seconds
        self._anchored = 0.0

    def turn(self) -> None:
        """One pass: follow the group, seal what is there, anchor when it is time."""
        ours = PARTITION in self._membership.owned
        if self.sealing is not None and not ours:
            self.sealing.close()
            self.sealing = None
            logger.info("another process seals now")
        for number in self._membership.asked_back:
            self._membership.released(number)
        if not ours:
            time.sleep(0.25)
            return
        if self.sealing is None:
            self.sealing = self._make()
            logger.info("this process seals now", extra={"seals": self.sealing.ledger.size})
        self.sealing.seal()
        if not 0 <= time.monotonic() - self._anchored < self._every:
            self.sealing.anchors.put()
            self._anchored = time.monotonic()

    def stop(self) -> None:
        """Seal what is there, show it to the anchors, and leave the group."""
        if self.sealing is not None:
            if PARTITION in self._membership.owned:
                self.sealing.end()
            else:
                self.sealing.close()
            self.sealing = None
        self._membership.close()
