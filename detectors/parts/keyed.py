"""Texts as 32-bit numbers, equal in every process: what sets and sketches hold in place of hostile strings."""

from functools import lru_cache
from hashlib import blake2b
from typing import Final

_PERSON: Final = b"tocsin.parts"


@lru_cache(maxsize=1 << 16)
def number(text: str) -> int:
    """A text as a number from 1 to 2³²-1; 0 stays free for "nobody"."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4, person=_PERSON).digest()
    return int.from_bytes(digest, "big") or 1


@lru_cache(maxsize=1 << 16)
def pair(first: str | None, second: str) -> int:
    """Two texts, of which the first may be missing, as one number."""
    return number(f"-|{second}" if first is None else f"{len(first)}:{first}|{second}")
