"""Crash points: numbered places of the path where a test has the process die as kill -9 would."""

import os
from collections.abc import Callable
from typing import Final, Protocol

from stream.errors import ConfigError

VARIABLE: Final = "TOCSIN_CRASH_AT"
"""Names a point, or `point:n` for the n-th time that it is reached."""
STATUS: Final = 137
"""The exit status, that of a process killed by signal 9."""

POINTS: Final[tuple[str, ...]] = (
    "receive.before_append",
    "receive.after_append",
    "log.before_commit",
    "log.after_commit",
    "detect.before_output",
    "detect.after_output",
    "detect.before_snapshot",
    "alert.before_transaction",
    "alert.before_commit",
    "alert.after_commit",
    "delivery.before_attempt",
    "delivery.after_attempt",
    "delivery.before_record",
    "delivery.after_record",
    "ledger.before_seal",
    "ledger.after_seal",
    "ledger.after_checkpoint",
    "removal.before_note",
    "removal.after_note",
    "removal.after_change",
    "removal.between_files",
    "removal.before_done",
)
"""In the order of the path, from receipt to the seal, and of a removal; a point's number is its place here."""


class Reach(Protocol):
    """What the path calls at each point."""

    def __call__(self, point: str, *, acting: bool = True) -> None:
        """Say that a point is reached; where nothing is at stake (not `acting`) that does not count."""
        ...


def armed(chosen: str | None, leave: Callable[[int], object]) -> Reach:
    """The function that the path calls at each point: it does nothing, or leaves at the chosen one.

    Raises ConfigError where the choice is no known point.
    """
    if not chosen:
        return _pass_by
    name, _, times = chosen.partition(":")
    if name not in POINTS or not (times or "1").isdigit():
        raise ConfigError(
            f"{chosen!r} is not a crash point", where=VARIABLE, hint=f"one of {', '.join(POINTS)}, or one of them :n"
        )
    left = int(times or "1")

    def reach(point: str, *, acting: bool = True) -> None:
        nonlocal left
        if point == name and acting:
            left -= 1
            if left == 0:
                leave(STATUS)

    return reach


def _pass_by(point: str, *, acting: bool = True) -> None:
    """Where nothing was chosen, a point costs one call."""


crash_point: Final = armed(os.environ.get(VARIABLE), os._exit)
