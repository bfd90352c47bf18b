"""The collector of cycles, told what this program is like: much state, made for long, and hardly a cycle in it."""

import gc
from typing import Final

THRESHOLD: Final = 200_000
"""New objects after which it looks; Python's 700 make it walk through all state again and again."""


def spare() -> None:
    """Let it pass over what is here now, and look seldom from here on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(THRESHOLD, 20, 100)
