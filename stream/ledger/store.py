"""Proof of a whole store: the ledger, and with it every frame of the log and every row that was sealed."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol

from stream.frame import HEADER_ENCODER, Record
from stream.ledger.chain import Chain, verify_chain
from stream.ledger.fault import Fault
from stream.ledger.file import FILE
from stream.ledger.note import Verifier
from stream.ledger.reading import LedgerFile
from stream.ledger.rest import check_rest
from stream.ledger.sealer import NOTES
from stream.ledger.verify import Progress, Proved, prove
from stream.ledger.witness import Account, Rows, Witness, check_rows
from stream.log import EVENTS, FINDINGS, Stream
from stream.sqlite import EVENTS_FOLDER, FINDINGS_FILE


class Store(NamedTuple):
    """What became of a store: its chains, its ledger, and each sealed partition."""

    chains: tuple[Chain, ...]
    proved: Proved | None
    accounts: tuple[Account, ...]
    unseen: tuple[str, ...]
    """What is sealed but was not given to be looked at."""

    @property
    def faults(self) -> list[Fault]:
        """Every stream's first fault, that of the ledger first."""
        found = [self.proved.fault if self.proved is not None else None]
        found += [chain.fault for chain in self.chains]
        found += [account.fault for account in self.accounts]
        return list(dict.fromkeys(fault for fault in found if fault is not None))


class Whole(Protocol):
    """A log that can say where a stream begins and ends."""

    def read(self, stream: Stream, position: int, *, limit: int = 64, wait: float = 0.0) -> Sequence[Record]:
        """As `Log.read`."""
        ...

    def begin(self, stream: Stream) -> int:
        """The offset of the oldest frame that is still there."""
        ...

    def end(self, stream: Stream) -> int:
        """The offset behind the newest."""
        ...


def verify_log(
    log: Whole,
    streams: Sequence[Stream],
    file: Path,
    trusted: Sequence[Verifier],
    anchored: Sequence[str] = (),
    *,
    rows: Mapping[str, tuple[Path, Rows]] | None = None,
    progress: Progress | None = None,
) -> Store:
    """Check everything in a log that keeps no files here, against the ledger in a file.

    What such a log took away by its own retention is counted as gone. Raises StorageError as `verify_store` does.
    """
    ledger = LedgerFile(file)
    try:
        proved = prove(ledger, trusted, anchored, progress=progress)
        accounts = [_stream(log, stream, ledger, proved, progress) for stream in streams]
        known = _tables(ledger, rows)
        accounts += [check_rows(ledger, proved, name, place, read) for name, (place, read) in known.items()]
        unseen = sorted({name for name, _ in proved.parts} - {stream.name for stream in streams} - known.keys())
        return Store((), proved, tuple(accounts), tuple(unseen))
    finally:
        ledger.close()


def _stream(log: Whole, stream: Stream, ledger: LedgerFile, proved: Proved, progress: Progress | None) -> Account:
    place = Path(f"{stream.name}:{stream.partition}")
    position, end = log.begin(stream), log.end(stream)
    witness = Witness(ledger, proved, stream.name, stream.partition, place, begin=position)
    while position < end and (records := log.read(stream, position)):
        for offset, frame in records:
            header = HEADER_ENCODER.encode(frame.header)
            fault = witness.frame(place, offset, header, sha256(frame.payload).digest(), frame.payload)
            if fault is None and frame.header.content == "rest":
                what = check_rest(ledger, proved, stream, frame)
                fault = None if what is None else Fault(place, offset, what)
                witness.removed += fault is None
            if fault is not None:
                return witness.stopped(fault)
        position = records[-1].offset + 1
        if progress is not None:
            progress(place, position)
    return witness.end()


def _tables(ledger: LedgerFile, rows: Mapping[str, tuple[Path, Rows]] | None) -> dict[str, tuple[Path, Rows]]:
    return {NOTES: (ledger.path, lambda since, limit: ledger.notes(since, limit)), **(rows or {})}


def verify_store(
    data_dir: Path,
    trusted: Sequence[Verifier],
    anchored: Sequence[str] = (),
    *,
    rows: Mapping[str, tuple[Path, Rows]] | None = None,
    progress: Progress | None = None,
) -> Store:
    """Check everything in a data directory or a copy of one; nothing is written there.

    `rows` are the tables that the ledger seals, with the file that they stand in. Raises StorageError where there is
    no log or no ledger.
    """
    ledger = LedgerFile(data_dir / FILE)
    try:
        proved = prove(ledger, trusted, anchored, progress=progress)
        watches = {
            EVENTS.name: Witness(ledger, proved, EVENTS.name, 0, data_dir / EVENTS_FOLDER),
            FINDINGS.name: Witness(ledger, proved, FINDINGS.name, 0, data_dir / FINDINGS_FILE),
        }
        chains = verify_chain(data_dir, progress=progress, watches=watches)
        accounts = []
        for chain in chains:
            witness = watches[chain.stream]
            # What the chain found is told once; what is missing behind it is not looked for.
            accounts.append(witness.end() if chain.fault is None else witness.stopped(None))
        given = _tables(ledger, rows)
        for name, (file, read) in given.items():
            accounts.append(check_rows(ledger, proved, name, file, read))
        known = {EVENTS.name, FINDINGS.name, *given}
        unseen = sorted({stream for stream, _ in proved.parts if stream not in known})
        return Store(tuple(chains), proved, tuple(accounts), tuple(unseen))
    finally:
        ledger.close()
