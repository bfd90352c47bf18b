"""Texts without secrets: what services answer may hold what they were sent, and libraries tell of both."""

from typing import Final
from urllib.parse import urlsplit

import msgspec

HIDDEN: Final = "(secret)"
SHORTEST: Final = 6
"""Signs of a secret at least: a shorter one would be found in ordinary words."""


class Secrets:
    """The secrets that a configuration names, as far as they were read."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, value: str) -> str:
        """Know a secret from now on, and what of an address is secret; the same secret."""
        parts = [value]
        if "://" in value:
            place = urlsplit(value)
            parts += [place.password or "", place.path.strip("/"), place.query]
        for part in parts:
            if len(part) >= SHORTEST:
                # As it stands in a text, and as it stands in JSON.
                self._known |= {part, msgspec.json.encode(part).decode()[1:-1]}
        return value

    def hide(self, text: str) -> str:
        """A text without any of them; the longest go first, since one may hold another."""
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text
