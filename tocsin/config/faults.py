"""Faults in files that people write: all of them at once, each with file, line and a hint."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from stream.errors import ConfigError


class Fault(NamedTuple):
    """One thing wrong in a file: where it stands, what it is and what to do."""

    file: str
    line: int
    key: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = f"{place}: {self.key}: {self.what}" if self.key else f"{place}: {self.what}"
        return f"{text}\n    hint: {self.hint}" if self.hint else text


class FaultsError(ConfigError):
    """Nothing starts until these are mended."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.file, fault.line, fault.key)))
        count = f"{len(self.faults)} fault{'s' if len(self.faults) > 1 else ''} in the configuration"
        super().__init__(count + "\n" + "\n".join(f"  {fault}" for fault in self.faults))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a word that is not known: the nearest one that is, else all of them."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(names)}"
