"""Legal holds: what must not be removed, whatever retention or a request for erasure says.

A hold names people, so it stands in a file that can be changed; the ledger has its salted digest, and refuses removals
where a hold that was never lifted is missing from the file or was changed.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from detectors.base import event_id
from stream.encryption.crypt import Crypt
from stream.errors import DamagedError, RejectedError, StorageError
from stream.finding import Finding
from stream.whole_file import alone, replace
from tocsin_audit.event import AuditEvent

FILE: Final = "holds.json"
MADE: Final = "hold"
LIFTED: Final = "hold_lifted"
"""The kinds of notes about holds."""
EVENTS: Final = 5_000
"""Events that a hold names one by one at most."""
_PURPOSE: Final = "holds"
_CALLER: Final = ("user", "client", "agent")


class Hold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is held: all that fits whatever of tenant, principal and event time is given, and the events named.

    `incident` is kept with its evidence. `expires` is when the hold ends by itself, in seconds; `salt` keeps its digest
    in the ledger from telling anything once it is lifted.
    """

    id: str
    by: str
    why: str
    at: float
    tenant: str | None = None
    principal: str | None = None
    incident: str | None = None
    since: float | None = None
    until: float | None = None
    events: tuple[str, ...] = ()
    expires: float | None = None
    salt: str = ""

    @property
    def digest(self) -> str:
        """What the ledger has of it."""
        return sha256(msgspec.json.encode(self)).hexdigest()

    def touches(self, begin: float, end: float) -> bool:
        """Whether it may hold something with event times in a stretch."""
        return (self.since is None or self.since < end) and (self.until is None or self.until > begin)

    def holds(self, event: AuditEvent, tenant: str | None) -> bool:
        """Whether it holds an event of a tenant."""
        if self.events and event_id(event) in self.events:
            return True
        return self._names(tenant, (event.user, event.client, event.agent)) and self._at(event.time)

    def holds_finding(self, finding: Finding) -> bool:
        """Whether it holds a finding."""
        if self.events and not set(self.events).isdisjoint(finding.event_ids):
            return True
        callers = [finding.entity.get(key) for key in _CALLER]
        return self._names(finding.tenant, callers) and self._at(finding.time)

    def holds_incident(self, id_: str, tenant: str | None, entity: Iterable[str], opened: float) -> bool:
        """Whether it holds an incident, by its id, or whom it is about and when it opened."""
        return id_ == self.incident or (self._names(tenant, list(entity)) and self._at(opened))

    def _names(self, tenant: str | None, callers: Sequence[str | None]) -> bool:
        if self.tenant is None and self.principal is None and self.since is None and self.until is None:
            return False
        return self.tenant in (None, tenant) and (self.principal is None or self.principal in callers)

    def _at(self, moment: float) -> bool:
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)


class _File(msgspec.Struct, frozen=True):
    holds: tuple[Hold, ...] = ()


class Holds:
    """The holds of a data directory; `note` writes into the ledger, `noted` reads its notes of a kind.

    Raises DamagedError where the file is not what the ledger knows of, StorageError where it cannot be used.
    """

    def __init__(
        self,
        data: Path,
        note: Callable[..., int],
        noted: Callable[[str], Sequence[tuple[int, bytes]]],
        crypt: Crypt | None = None,
    ) -> None:
        self._path = data / FILE
        self._crypt = crypt
        self._note = note
        self._noted = noted

    def standing(self, now: float) -> list[Hold]:
        """The holds that hold at a moment, the oldest first."""
        kept = self._checked()
        return [hold for hold in kept if hold.expires is None or hold.expires > now]

    def add(self, **said: Any) -> Hold:
        """Make a hold; the file has it before the ledger does, so that a crash leaves too much, never too little."""
        hold = Hold(id=secrets.token_hex(4), salt=secrets.token_hex(16), **said)
        if not any((hold.tenant, hold.principal, hold.incident, hold.since, hold.until)):
            raise RejectedError("it holds nothing", hint="name a tenant, a principal, an incident or a stretch of time")
        if not hold.why.strip():
            raise RejectedError("say why", hint="the matter and who decided it: --reason 'CASE-17, counsel'")
        self._write([*self._checked(), hold])
        self._note(MADE, id=hold.id, digest=hold.digest, by=hold.by, expires=hold.expires)
        return hold

    def lift(self, id_: str, by: str, why: str) -> None:
        """End a hold, also one that the file has lost; raises RejectedError where there is none of that id."""
        lifted = {said["id"] for said in self._said(LIFTED)}
        known = {said["id"] for said in self._said(MADE)} | {hold.id for hold in self._read()}
        if id_ not in known - lifted:
            raise RejectedError(f"there is no hold {id_[:32]!r}", hint="`tocsin hold list` has them")
        if not why.strip():
            raise RejectedError("say why it is lifted", hint="the matter and who decided it: --reason 'CASE-17 closed'")
        self._note(LIFTED, id=id_, by=by, why=why)
        self._write([one for one in self._read() if one.id != id_])

    def _checked(self) -> list[Hold]:
        lifted = {said["id"] for said in self._said(LIFTED)}
        known = {said["id"]: said["digest"] for said in self._said(MADE)}
        kept = [hold for hold in self._read() if hold.id not in lifted]
        there = {hold.id: hold.digest for hold in kept}
        for id_, digest in known.items():
            if id_ not in lifted and there.get(id_) != digest:
                raise DamagedError(
                    f"the hold {id_} is missing or was changed",
                    where=str(self._path),
                    hint="put the file back from a backup, or lift the hold; until then nothing is removed",
                )
        return kept

    def _said(self, kind: str) -> list[dict[str, Any]]:
        return [msgspec.json.decode(body) for _, body in self._noted(kind)]

    def _read(self) -> tuple[Hold, ...]:
        try:
            content = self._path.read_bytes()
            plain = content if self._crypt is None else self._crypt.open(_PURPOSE, FILE, content)
            return msgspec.json.decode(plain, type=_File).holds
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StorageError(
                f"the holds cannot be read ({error})", where=str(self._path), hint="put it back from a backup"
            ) from error

    def _write(self, holds: Sequence[Hold]) -> None:
        content = msgspec.json.format(msgspec.json.encode(_File(tuple(holds))), indent=1)
        # Before the folder is ours alone: a new data key may be written into the same folder.
        stored = content if self._crypt is None else self._crypt.seal(_PURPOSE, FILE, content)
        try:
            with alone(self._path.parent) as folder:
                replace(self._path, stored, folder)
        except OSError as error:
            raise StorageError(f"the holds cannot be written ({error.strerror})", where=str(self._path)) from error
