"""Which file is which: the positions of an input against what the file system shows now."""

import glob
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from collector.tailing.opened import BrokenError, Opened
from collector.tailing.position import EMPTY, HEAD, Kept, Position, digest

MOST: Final = 10_000
"""Files followed at once at most."""
FORGET: Final = 7 * 86_400.0
"""Seconds for which a file that is gone is remembered, so that its copy or its compressed form is known."""
GONE: Final = 2_000
"""Files that are gone remembered at most."""
SETTLED: Final = 5.0
"""Seconds without a change after which a file that was put away is complete."""

Trouble = Callable[[str, str, str], None]


class Sight(NamedTuple):
    """One file that is there now."""

    path: Path
    status: os.stat_result

    @property
    def place(self) -> tuple[int, int]:
        """Where the file system keeps it."""
        return self.status.st_dev, self.status.st_ino


class Follower:
    """Knows files again: by their place, and by the digest of how they begin where the place is new.

    `trouble` hears (reason, what, hint) of files that cannot be followed, once for each.
    """

    def __init__(self, kept: Kept, *, from_end: bool, trouble: Trouble) -> None:
        self.kept = kept
        self._trouble = trouble
        self._told: set[str] = set()
        self._from_end = from_end and not kept.met

    def look(self, patterns: Sequence[str], now: float) -> list[tuple[Position, Sight]]:
        """The files that are there, oldest first, each with its position; those met for the first time get one."""
        sights = {sight.place: sight for sight in self._sights(patterns)}
        known = {position.place: position for position in self.kept.files if position.inode}
        for sight in self._strayed(known, sights):
            sights[sight.place] = sight
        for position in known.values():
            if position.place not in sights:
                position.inode = 0
        unknown = [sight for place, sight in sights.items() if place not in known]
        # A copy may have come of a file that was cut off, unless it is one that cannot be read anyway.
        copies = any(str(sight.path) not in self._told for sight in unknown)
        pairs = []
        for place, position in known.items():
            if place in sights:
                sight = sights[place]
                position.moved = position.moved or position.path != str(sight.path)
                position.path, position.seen = str(sight.path), now
                # What was cut off before its copy is met must be known for gone by then.
                cut_off = position.offset > sight.status.st_size
                if not position.compressed and (cut_off or (copies and self._is_another(position, sight))):
                    position = self.replace(position, now)
                pairs.append((position, sight))
        pairs += [(met, sight) for sight in unknown if (met := self._met(sight, now)) is not None]
        self._from_end = False
        self._forget(now)
        return sorted(pairs, key=lambda pair: (pair[1].status.st_mtime, pair[0].path))

    def check(self, position: Position, opened: Opened, now: float) -> Position:
        """The position of an open file: a new one where it is another file than the one that was known there.

        Raises BrokenError as reading does.
        """
        truncated = not opened.compressed and opened.status().st_size < position.offset
        return position if not truncated and position.knows(opened.head()) else self.replace(position, now)

    def replace(self, position: Position, now: float) -> Position:
        """A new position for a place whose file is another one now; the old may come back as a copy."""
        fresh = self._new(position.path, position.place, now)
        position.device = position.inode = 0
        return fresh

    def tell(self, reason: str, path: Path | str, what: str, hint: str) -> None:
        """Say what is wrong with a file, once."""
        if str(path) not in self._told:
            if len(self._told) >= MOST:
                self._told.clear()
            self._told.add(str(path))
            self._trouble(reason, f"{path}: {what}", hint)

    def _is_another(self, position: Position, sight: Sight) -> bool:
        try:
            opened = Opened(sight.path)
        except OSError:
            return False
        try:
            return not position.knows(opened.head())
        except BrokenError:
            return False
        finally:
            opened.close()

    def _met(self, sight: Sight, now: float) -> Position | None:
        settled = now - sight.status.st_mtime >= SETTLED
        try:
            opened = Opened(sight.path)
        except OSError as error:
            self.tell("unreadable", sight.path, error.strerror or "cannot be read", "let Tocsin's user read it")
            return None
        try:
            if opened.compressed and not settled:
                return None
            head = opened.head()
        except BrokenError as error:
            if not error.late:
                self.tell("broken", sight.path, str(error), "look at the file")
            return None
        finally:
            opened.close()
        same = self._same(head)
        if same is not None and not opened.compressed and sight.status.st_size < same.offset:
            if not settled:
                return None  # a copy that is still being made
            same = None
        if same is not None and not same.inode:
            same.device, same.inode = sight.place
            same.path, same.seen, same.done, same.moved = str(sight.path), now, False, True
            same.compressed = opened.compressed
            return same
        position = self._new(str(sight.path), sight.place, now)
        position.compressed = opened.compressed
        if same is not None:
            position.key, position.offset, position.moved = same.key, same.offset, True
            position.head, position.head_size = same.head, same.head_size
        elif self._from_end and not opened.compressed:
            position.offset = sight.status.st_size
            position.learn(head)
        return position

    def _same(self, head: bytes) -> Position | None:
        """Whose content a file has: one that is gone, or one that is there where enough of it says so."""
        alive = None
        digests: dict[int, str] = {}
        for position in self.kept.files:
            size = position.head_size
            if not size or size > len(head):
                continue
            if size not in digests:
                digests[size] = digest(head[:size])
            if digests[size] == position.head:
                if not position.inode:
                    return position
                if position.head_size == HEAD:
                    alive = position
        return alive

    def _new(self, path: str, place: tuple[int, int], now: float) -> Position:
        self.kept.met += 1
        key = digest(f"{self.kept.met}|{place}|{now}|{path}".encode())
        position = Position(key, path, *place, now, head=EMPTY)
        self.kept.files.append(position)
        return position

    def _sights(self, patterns: Sequence[str]) -> Iterable[Sight]:
        count = 0
        for pattern in patterns:
            for name in glob.iglob(pattern, recursive=True):  # noqa: PTH207  # a pattern is absolute, or begins anywhere
                try:
                    status = os.stat(name)  # noqa: PTH116  # a name of the glob, not worth a Path unless it is a file
                except OSError:
                    continue
                if not stat.S_ISREG(status.st_mode):
                    continue
                count += 1
                if count > MOST:
                    self.tell("too_many_files", pattern, f"more than {MOST} files", "choose narrower paths")
                    return
                yield Sight(Path(name), status)

    def _strayed(self, known: dict[tuple[int, int], Position], sights: dict[tuple[int, int], Sight]) -> list[Sight]:
        """Files that were renamed within their folder to names that no pattern has: they may have an end to read."""
        folders: dict[str, set[tuple[int, int]]] = {}
        for place, position in known.items():
            if place not in sights:
                folders.setdefault(str(Path(position.path).parent), set()).add(place)
        found = []
        for folder, places in folders.items():
            try:
                with os.scandir(folder) as entries:
                    inodes = {inode for _, inode in places}
                    for entry in entries:
                        if entry.inode() in inodes and entry.is_file():
                            sight = Sight(Path(entry.path), entry.stat())
                            if sight.place in places:
                                found.append(sight)
            except OSError:
                continue
        return found

    def _forget(self, now: float) -> None:
        gone = [position for position in self.kept.files if not position.inode]
        if gone and (len(gone) > GONE or now - min(position.seen for position in gone) > FORGET):
            keep = sorted(gone, key=lambda position: position.seen)[-GONE:]
            good = {id(position) for position in keep if now - position.seen <= FORGET}
            self.kept.files = [each for each in self.kept.files if each.inode or id(each) in good]
