"""Proof of a whole store: the ledger, and with it every frame of the log and every row that was sealed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from stream.fault import Fault
from stream.ledger import FILE
from stream.ledger_read import LedgerFile
from stream.ledger_verify import Progress, Proved, prove
from stream.ledger_witness import Account, Rows, Witness, check_rows
from stream.log import EVENTS, FINDINGS
from stream.note import Verifier
from stream.sealer import NOTES
from stream.sqlite import EVENTS_FOLDER, FINDINGS_FILE
from stream.verify import Chain, verify_chain


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
        given = {
            NOTES: (ledger.path, lambda since, limit: ledger.notes(since, limit)),
            **(rows or {}),
        }
        for name, (file, read) in given.items():
            accounts.append(check_rows(ledger, proved, name, file, read))
        known = {EVENTS.name, FINDINGS.name, *given}
        unseen = sorted({stream for stream, _ in proved.parts if stream not in known})
        return Store(tuple(chains), proved, tuple(accounts), tuple(unseen))
    finally:
        ledger.close()
