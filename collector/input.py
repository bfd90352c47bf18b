"""What an input is that fetches or waits for records by itself, and what it is given to make events of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final, Protocol, Self

import msgspec

from collector.admit import Admitted
from collector.enrich import Enricher
from collector.format import Format
from collector.intake import Intake, Kept
from collector.keys import Key
from collector.observer import Observer, tell
from collector.reading import Reader, Record
from collector.tally import Tally
from stream.log import Log, Snapshot

LONGEST: Final = 256 * 1024
"""Bytes of one record at most, unless an input says otherwise."""
VERSION: Final = 1


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who the events of an input are from, as a collector key says it for those that come over HTTP."""

    format: str = "native"
    """The format of the records; `tocsin formats` lists them."""
    tenant: str | None = None
    """The tenant of events that name none."""
    tenants: tuple[str, ...] = ()
    """The tenants whose events are taken; all where none is named."""
    servers: tuple[str, ...] = ()
    """The servers whose events are taken; all where none is named."""

    def key(self, name: str) -> Key:
        """What the input of a name may bring."""
        tenant = self.tenant if self.tenant is not None else self.tenants[0] if len(self.tenants) == 1 else None
        return Key(id=f"input:{name}", hash="", created=0.0, tenants=self.tenants, tenant=tenant, servers=self.servers)

    def placed(self, resolve: Callable[[str], str]) -> Self:  # noqa: ARG002  # most options name no files
        """The options with every path that they name where `resolve` puts it."""
        return self

    @property
    def formats(self) -> Sequence[str]:
        """The formats that are asked for."""
        return (self.format,)

    @property
    def record_limit(self) -> int:
        """Bytes of one record at most."""
        return LONGEST

    def faults(self) -> Sequence[str]:
        """What is wrong with the options beyond the types of their values."""
        if self.tenant is not None and self.tenants and self.tenant not in self.tenants:
            return [f"tenant {self.tenant!r} is not among tenants"]
        return ()


class State(Protocol):
    """Where inputs keep how far they are."""

    def save(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, durably."""
        ...

    def load(self, task: str) -> Snapshot | None:
        """The last snapshot of a task."""
        ...


class Feed:
    """The door of one input into the log; used by one thread.

    `forms` are the formats that its options ask for, by name. `replay` is the log
    where one can tell from it what became durable after the last `save`. `clock` is the wall clock in seconds since
    the epoch.
    """

    def __init__(
        self,
        name: str,
        options: Scope,
        forms: Mapping[str, Format],
        *,
        log: Log,
        state: State,
        replay: Log | None,
        observer: Observer,
        tally: Tally,
        clock: Callable[[], float],
        enrich: Enricher | None = None,
    ) -> None:
        self.name: Final = name
        self.key: Final = options.key(name)
        self.tally: Final = tally
        self.replay: Final = replay
        self.clock: Final = clock
        self._readers = {form: Reader(forms[form], self.key, LONGEST, options.record_limit, enrich) for form in forms}
        self._state = state
        self._intake = Intake(log)
        self._observer = observer

    def store(self, records: Sequence[Record], digest: str, form: str | None = None) -> Kept:
        """Make the events of records durable; `digest` names their source in the ids of events that have none.

        Raises StorageError where that cannot be: then nothing was counted, and the same records may come again.
        """
        now = self.clock()
        admitted = Admitted()
        reader = self._readers[form] if form is not None else next(iter(self._readers.values()))
        reader.read(admitted, records, digest, now)
        kept = self._intake.store(admitted, digest, self.key, now)
        tell(self._observer, kept, admitted.reasons, self.key.scope)
        self.tally.took(len(records), kept, admitted.rejected, admitted.reasons)
        return kept

    def save(self, meta: bytes, position: int) -> None:
        """Keep where the input stands, durably; `position` is the log's after the last frame that is counted in."""
        self._state.save(Snapshot(f"input:{self.name}", VERSION, position, meta, {}))

    def load(self) -> Snapshot | None:
        """Where the input stood."""
        found = self._state.load(f"input:{self.name}")
        return found if found is not None and found.version == VERSION else None


class Input(Protocol):
    """Fetches records, or waits for them, and feeds them. An input's module exposes `INPUT`, its class.

    `open` begins (UnavailableError, ConfigError where it cannot), `turn` takes what is there and waits a little where
    there is nothing (a TocsinError is an operator's to mend; the same turn is tried again), `close` gives all back
    after the last one. `wake` ends a wait, from any thread.
    """

    kind: ClassVar[str]
    Options: ClassVar[type[Scope]]

    def open(self) -> None:
        """Begin."""
        ...

    def turn(self) -> None:
        """Take what is there."""
        ...

    def wake(self) -> None:
        """End a wait, now and from now on."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...
