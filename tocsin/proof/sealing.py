"""The ledger of a running Tocsin: what is sealed, under which keys, what is noted besides, and where it is anchored."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec

from alerting.database.store import Store
from collector.keys import FILE as COLLECTOR_KEYS
from stream.ledger.file import FILE, Ledger
from stream.ledger.note import Signer
from stream.ledger.sealer import FrameSource, RowSource, Sealer
from stream.ledger.signing import FILE as KEY_FILE
from stream.ledger.signing import endorsement, kept_keys, parse_keys
from stream.log import Log, Stream
from tocsin.access.operators import FILE as OPERATORS
from tocsin.config.options import read_secret
from tocsin.proof.anchors import Anchors, puts_of
from tocsin.proof.ledger_rows import KEPT, reader
from tocsin.setup import Ready

WAIT: Final = 0.5
"""Seconds without anything new after which it is looked again."""


class _Files(msgspec.Struct):
    """What a note says of the files of the configuration: all of them at a start, else one."""

    kind: str
    files: dict[str, str] = {}
    name: str = ""
    sha256: str = ""


_FILES: Final = msgspec.json.Decoder(_Files)


class Sealing:
    """Seals a log and the alerts' database; `seal` and `anchor` are the turns of two workers."""

    def __init__(
        self,
        ready: Ready,
        log: Log,
        streams: Sequence[Stream],
        store: Store | None,
        clock: Callable[[], float],
        ending: threading.Event,
        changed: Callable[[str, str, str], None],
    ) -> None:
        said = ready.config.ledger
        self._ready = ready
        self._ending = ending
        self._changed = changed
        self._key_path = ready.data / KEY_FILE
        self._files = _watched(ready)
        self._digests: dict[str, str] = {}
        self._known: set[bytes] = set()
        self._turn = threading.RLock()
        with ExitStack() as resources:
            signers = self.signers()
            self.ledger = resources.enter_context(Ledger(ready.data / FILE, signers[0].verifier.name))
            sources = [FrameSource(log, stream) for stream in streams]
            rows = [RowSource(name, reader(store, name)) for name in KEPT] if store is not None else []
            self.sealer = Sealer(self.ledger, log, [*sources, *rows], self.signers, clock, interval=said.seal_seconds)
            self.anchors = Anchors(self.ledger, puts_of(ready), clock, ready.loaded.secrets.hide)
            self._resources = resources.pop_all()

    def signers(self) -> list[Signer]:
        """The keys that sign now, the present one first; a rotation counts from the next checkpoint on."""
        key = self._ready.config.ledger.key
        if key is None:
            return kept_keys(self._key_path)
        return parse_keys(read_secret(self._ready.loaded, ("ledger", "key"), key), "ledger.key")

    def note(self, kind: str, **body: object) -> int:
        """Write something down and seal it before this returns, from any thread; the note's number."""
        with self._turn:
            return self.sealer.note(kind, **body)

    def begin(self) -> None:
        """Note what starts here, with which configuration and detectors, and seal all that is there."""
        self._note_keys()
        before, self._digests = self._last_digests(), _digests(self._files)
        for name, digest in self._digests.items():
            if before and before.get(name, "") != digest:
                self._changed(name, before.get(name, ""), digest)
        self.sealer.note(
            "start",
            version=version("tocsin"),
            files=self._digests,
            directory=self._ready.directory_digest,
            detectors={one.spec.name: str(one.spec.version) for one in self._ready.detectors},
        )

    def seal(self) -> None:
        """One turn of the sealer."""
        with self._turn:
            if not self._digests:
                self.begin()
            if idle := not self.sealer.advance():
                self._note_keys()
                self._note_files()
        if idle:
            self._ending.wait(WAIT)

    def anchor(self) -> None:
        """One turn of anchoring."""
        self.anchors.put()
        self._ending.wait(self._ready.config.ledger.anchor_seconds)

    def end(self) -> None:
        """Seal everything that is there, show it to the anchors, and close the ledger."""
        self.sealer.finish()
        self.anchors.put()
        self.close()

    def close(self) -> None:
        """Close the ledger as it is."""
        self._resources.close()

    def status(self) -> dict[str, Any]:
        """How far the ledger is, for people and machines."""
        return {
            "origin": self.ledger.origin,
            "seals": self.ledger.size,
            "unsealed": self.sealer.pending,
            "anchors": self.anchors.status(),
        }

    def _note_keys(self) -> None:
        """Note a key that signs for the first time, with the word of the keys that signed before it."""
        signers = self.signers()
        if not self._known:
            self._known = {bytes.fromhex(id_) for id_ in self.ledger.noted("key", "id")}
        for signer in signers:
            if signer.verifier.id in self._known:
                continue
            self._known.add(signer.verifier.id)
            others = [other for other in signers if other is not signer]
            self.sealer.note(
                "key",
                id=signer.verifier.id.hex(),
                key=str(signer.verifier),
                endorsements=[
                    endorsement(one.verifier, other) for old in others for one, other in ((signer, old), (old, signer))
                ],
            )

    def _last_digests(self) -> dict[str, str]:
        """What the files were when this ledger was last written, by name; nothing before its first start."""
        notes = sorted([*self.ledger.said("start"), *self.ledger.said("file")])
        found: dict[str, str] = {}
        for _, body in notes:
            note = _FILES.decode(body)
            found = note.files if note.kind == "start" else {**found, note.name: note.sha256}
        return found

    def _note_files(self) -> None:
        """Note each file of the configuration that is not what it was."""
        now = _digests(self._files)
        for name, digest in now.items():
            if self._digests.get(name) != digest:
                self.sealer.note("file", name=name, sha256=digest)
                self._changed(name, self._digests.get(name, ""), digest)
        self._digests = now


def _watched(ready: Ready) -> dict[str, Path]:
    found = {
        "collector keys": ready.data / COLLECTOR_KEYS,
        "configuration": Path(ready.loaded.document.file),
        "operators": ready.data / OPERATORS,
    }
    if ready.directory_path is not None:
        found["directory"] = ready.directory_path
    return found


def _digests(files: Mapping[str, Path]) -> dict[str, str]:
    found = {}
    for name, path in files.items():
        try:
            found[name] = sha256(path.read_bytes()).hexdigest()
        except OSError:
            found[name] = ""
    return found
