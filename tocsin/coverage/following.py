"""Coverage where another process counts it: the records in the findings are followed, and kept to be asked for."""

from typing import Any, Final

from stream.control import facts_in
from stream.coverage import SECONDS, Covered, Watched
from stream.directory import Directory
from stream.facts import Facts
from stream.log import FINDINGS
from tocsin.coverage.answer import Ask, answer, around
from tocsin.coverage.reading import Ended
from tocsin.coverage.store import CoverageStore, Kept

WAIT: Final = 0.5
"""Seconds that a turn waits for something new."""
FRAMES: Final = 256
SAVE: Final = 4_096
"""Frames after which the place is kept though none of them was about coverage."""


class Following:
    """Keeps the coverage records that stand in the findings; `turn` is that of one worker."""

    def __init__(self, log: Ended, store: CoverageStore) -> None:
        self._log = log
        self._store = store
        self._unsaved = 0
        kept = store.resume(log.end(FINDINGS))
        self.position = kept.position if kept is not None else 0

    @property
    def known(self) -> float:
        """Up to when everything was counted that did not come late, on the log's clock; 0 where nothing was yet."""
        cells = self._store.cells()
        return cells[1] + SECONDS if cells is not None else 0.0

    def turn(self) -> None:
        """Read what is there. Raises StorageError."""
        records = self._log.read(FINDINGS, self.position, limit=FRAMES, wait=WAIT)
        seen: list[Covered | Watched] = []
        for record in records:
            if record.frame.header.content == "control":
                seen += [fact for fact in facts_in(record.frame) if isinstance(fact, Covered | Watched)]
            self.position = record.offset + 1
        self._unsaved += len(records)
        if seen or self._unsaved >= SAVE:
            self._store.put((), seen, Kept(self.position, b""))
            self._unsaved = 0

    def answer(self, ask: Ask, directory: Directory) -> dict[str, Any]:
        """What is known of a stretch of time; from any thread. Raises StorageError."""
        cells = self._store.cells()
        began, known = (cells[0], cells[1] + SECONDS) if cells is not None else (0.0, 0.0)
        kept, said = self._store.covered(*around(ask)), list(self._store.watched(ask.since, ask.until))
        return answer(kept, said, ask._replace(known=known, began=began), Facts(directory))

    def close(self) -> None:
        """Keep the place, and close the file."""
        self._store.put((), (), Kept(self.position, b""))
        self._store.close()
