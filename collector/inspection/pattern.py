"""Patterns: what is looked for in texts, all of them at one go and in linear time (RE2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import re2

from collector.inspection.content import Place

EVERYWHERE: Final[frozenset[Place]] = frozenset({"arguments", "result", "tools"})
MOST: Final = 1_000
"""Matches of one pattern in one event that are counted."""
_MEMORY: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Pattern:
    """One thing to look for: a signal's name, an expression of RE2, where it means something, and what proves a match.

    `counted` says that the signal tells how often; `check` sees the first group of a match, or all of it.
    """

    signal: str
    expression: str
    places: frozenset[Place] = EVERYWHERE
    check: Callable[[str], bool] | None = None
    counted: bool = False
    cased: bool = False


class Screen:
    """Many patterns compiled into one automaton."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        """Raises ValueError naming the signal whose expression is none of RE2's."""
        self.patterns = tuple(patterns)
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MEMORY
        self._set = re2.Set.SearchSet(options)
        self._each: list[Any] = []
        for pattern in patterns:
            expression = pattern.expression if pattern.cased else f"(?i){pattern.expression}"
            try:
                self._each.append(re2.compile(expression, options))
                self._set.Add(expression)
            except re2.error as error:
                raise ValueError(f"{pattern.signal}: {_said(error)}") from error
        # Matches everything, so that an automaton that gave up can be told from one that found nothing.
        self._always = self._set.Add("")
        self._set.Compile()

    def hits(self, text: str) -> list[int]:
        """The numbers of the patterns that are somewhere in a text."""
        found = self._set.Match(text)
        if found is None:
            return [number for number, each in enumerate(self._each) if each.search(text) is not None]
        return sorted(number for number in found if number != self._always)

    def count(self, number: int, text: str) -> int:
        """How often a pattern is in a text, its check passed; at most `MOST`, and 1 where nobody counts."""
        pattern = self.patterns[number]
        most = MOST if pattern.counted else 1
        found = 0
        for tried, match in enumerate(self._each[number].finditer(text)):
            if tried >= 4 * MOST:
                break
            said = match.group(1) if match.re.groups else match.group()
            if pattern.check is None or pattern.check(said or ""):
                found += 1
                if found >= most:
                    break
        return found


def _said(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return first.decode(errors="replace") if isinstance(first, bytes) else str(first)
