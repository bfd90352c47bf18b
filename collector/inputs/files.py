"""Files that others write: followed through rotation, truncation, compression and restarts, or taken whole."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, Literal, Self

import msgspec

from collector.input import LONGEST, Feed, Scope
from collector.reading import Record
from collector.tailing.cut import WRAPPING, Cut, cut
from collector.tailing.follow import SETTLED, Follower, Sight
from collector.tailing.opened import BrokenError, Opened
from collector.tailing.position import DECODER, ENCODER, Kept, Position, digest
from collector.tailing.unwrap import Container
from stream.log import EVENTS

CHUNK: Final = 1024 * 1024 + LONGEST + WRAPPING
"""Bytes read of one file at once."""
OPEN: Final = 256
"""Files held open at most; one that is deleted while it is held open is still read to its end."""
WHOLE: Final = 64 * 1024 * 1024
"""Bytes of a file that is one record, after decompression, at most."""
GIVE_UP: Final = 120.0
"""Seconds without a change after which compressed data that end too early are broken."""


class FilesOptions(Scope, frozen=True, kw_only=True):
    """Which files, and how they are read."""

    paths: tuple[str, ...]
    """The files, as paths with `*`, `?` and `**`."""
    start: Literal["beginning", "end"] = "beginning"
    """Where the files that are there at the first start begin to count; later ones count whole."""
    container: Container = "auto"
    """How a container runtime wraps lines: `cri`, `docker`, `none`, or `auto` to see by each line."""
    whole: bool = False
    """Whether a file is one record, as exports are, taken once it no longer changes."""
    every: float = 1.0
    """Seconds between looks for something new."""

    def placed(self, resolve: Callable[[str], str]) -> Self:
        """With every path where `resolve` puts it."""
        return msgspec.structs.replace(self, paths=tuple(map(resolve, self.paths)))

    @property
    def record_limit(self) -> int:
        """Bytes of one record at most."""
        return WHOLE if self.whole else LONGEST

    def faults(self) -> Sequence[str]:
        """What is wrong beyond the types."""
        return [
            *super().faults(),
            *(["paths names no file"] if not self.paths else []),
            *(["every must be between 0.05 and 3600 seconds"] if not 0.05 <= self.every <= 3600 else []),
        ]


class Files:
    """Follows files; where each stands is kept in the log's state after its events are durable."""

    kind: ClassVar[str] = "files"
    Options: ClassVar[type[Scope]] = FilesOptions

    def __init__(self, options: FilesOptions, feed: Feed) -> None:
        self._options = options
        self._feed = feed
        self._ended = threading.Event()
        self._held: OrderedDict[int, tuple[Position, Opened]] = OrderedDict()
        self._follower = Follower(Kept(), from_end=False, trouble=self._trouble)
        self._position = 0

    def open(self) -> None:
        """Go on where it stopped."""
        found = self._feed.load()
        kept = DECODER.decode(found.meta) if found is not None else Kept()
        if found is not None:
            self._position = found.position
            self._catch_up(kept)
        self._follower = Follower(kept, from_end=self._options.start == "end", trouble=self._trouble)

    def turn(self) -> None:
        """Read what was added; waits where nothing was."""
        now = self._feed.clock()
        met = self._follower.kept.met
        pairs = self._follower.look(self._options.paths, now)
        if self._follower.kept.met != met:
            # A file's key must outlive a crash before anything is stored under it.
            self._save()
        moved = False
        for position, sight in pairs:
            moved = self._advance(position, sight, now) or moved
        moved = self._finish() or moved
        if moved:
            self._save()
        else:
            self._ended.wait(self._options.every)

    def wake(self) -> None:
        """Wait no more."""
        self._ended.set()

    def close(self) -> None:
        """Let the files go."""
        for _, opened in self._held.values():
            opened.close()
        self._held.clear()

    def _advance(self, position: Position, sight: Sight, now: float) -> bool:
        if position.done or sight.status.st_size == position.offset:
            return False
        quiet = now - sight.status.st_mtime
        try:
            opened = self._hold(position, sight)
            checked = self._follower.check(position, opened, now)
            if checked is not position:
                self._held[id(checked)] = (checked, self._held.pop(id(position))[1])
                position = checked
                self._save()
            if self._options.whole:
                return quiet >= SETTLED and self._take_whole(position, opened)
            return self._read(position, opened, last=quiet >= SETTLED and (opened.compressed or position.moved))
        except BrokenError as error:
            if not error.late or quiet > GIVE_UP:
                self._follower.tell("broken", sight.path, str(error), "what was read of it before is kept")
                position.done = True
                return True
        except OSError as error:
            self._follower.tell(
                "unreadable", sight.path, error.strerror or "cannot be read", "let Tocsin's user read it"
            )
        return False

    def _read(self, position: Position, opened: Opened, *, last: bool) -> bool:
        data = opened.read(position.offset, CHUNK)
        whole = last and len(data) < CHUNK
        trial = msgspec.structs.replace(position, pieces=dict(position.pieces))
        done = cut(trial, data, longest=LONGEST, container=self._options.container, last=whole)
        if trial.offset == position.offset:
            if whole and opened.compressed and not data:
                position.done = True
                return True
            return False
        self._store(done, position.key)
        for name in ("offset", "pieces", "skipping"):
            setattr(position, name, getattr(trial, name))
        position.learn(opened.head())
        return True

    def _take_whole(self, position: Position, opened: Opened) -> bool:
        data = opened.read(0, WHOLE + 1)
        if len(data) > WHOLE:
            self._feed.tally.refuse("too_long", f"{position.path}: larger than {WHOLE} bytes", "split the export")
        elif data.strip():
            key = digest(data)
            if all(other.key != key for other in self._follower.kept.files):
                self._put([Record(data, 1)], key)
            position.key = key
        position.offset, position.done = len(data), True
        position.learn(data)
        return True

    def _finish(self) -> bool:
        """Read to their end the files that are held open and were deleted."""
        moved = False
        for key, (position, opened) in list(self._held.items()):
            if position.inode and not position.done:
                continue
            try:
                while not position.done and not self._options.whole and self._read(position, opened, last=True):
                    moved = True
            except (BrokenError, OSError) as error:
                self._follower.tell("broken", position.path, f"deleted before its end was read ({error})", "")
            opened.close()
            del self._held[key]
        return moved

    def _hold(self, position: Position, sight: Sight) -> Opened:
        if id(position) not in self._held:
            self._held[id(position)] = (position, Opened(sight.path))
            if len(self._held) > OPEN:
                self._held.popitem(last=False)[1][1].close()
        return self._held[id(position)][1]

    def _store(self, done: Cut, key: str) -> None:
        if done.too_long:
            hint = "leave out what is large; bodies do not belong here"
            self._feed.tally.refuse("too_long", f"longer than {LONGEST} bytes", hint, done.too_long)
        if done.records:
            self._put(done.records, key)

    def _put(self, records: Sequence[Record], key: str) -> None:
        self._position = max(self._position, self._feed.store(records, key).end)

    def _save(self) -> None:
        self._feed.save(ENCODER.encode(self._follower.kept), self._position)

    def _catch_up(self, kept: Kept) -> None:
        """Pass over what became durable after the positions were last kept: the log itself knows how far that was."""
        at = self._position
        while self._feed.replay is not None and (records := self._feed.replay.read(EVENTS, at)):
            for record in records:
                at = record.offset + 1
                header = record.frame.header
                if header.source == self._feed.key.id:
                    reached = max(header.lines) if header.lines else header.line + header.count - 1
                    for position in kept.files:
                        if position.key == header.digest and reached > position.offset:
                            position.offset, position.pieces, position.skipping = reached, {}, False
        self._position = at

    def _trouble(self, reason: str, what: str, hint: str) -> None:
        self._feed.tally.refuse(reason, what, hint, received=False)


INPUT: Final = Files
