"""What `tocsin verify` looks at besides the log, and what goes into a proof: an incident's evidence, or some events."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, create_engine, select
from sqlalchemy.exc import DBAPIError

from alerting.database.schema import DECISIONS, FINDINGS, OUTBOX, TIMELINE
from alerting.database.sealed import attach
from alerting.database.store import Store
from detectors.base import event_id
from stream.encryption.columns import Columns
from stream.errors import DamagedError, RejectedError, StorageError
from stream.finding import DECODER, Finding
from stream.ledger.note import Checkpoint, Verifier, opened
from stream.ledger.proof import Wanted
from stream.ledger.reading import open_read_only
from stream.removing import events_of
from tocsin.config.options import read_secret
from tocsin.config.whole import Loaded
from tocsin.proof.frames import Frames
from tocsin.proof.ledger_rows import KEPT, rows

ALERTS_FILE: Final = "alerts.sqlite"
_TABLES: Final = {"timeline": TIMELINE, "decisions": DECISIONS, "alerts": OUTBOX}


@contextmanager
def alerts(data_dir: Path, columns: Columns | None = None) -> Iterator[Connection | None]:
    """The alerts' database of a data directory, read only; None where it is kept elsewhere.

    Without `columns` what is encrypted shows as it lies there.
    """
    path = data_dir / ALERTS_FILE
    if not path.exists():
        yield None
        return
    engine = create_engine("sqlite://", creator=lambda: open_read_only(path))
    if columns is not None:
        attach(engine, columns)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise StorageError(f"the alerts cannot be read ({error.orig})", where=str(path)) from error
    finally:
        engine.dispose()


@contextmanager
def database(loaded: Loaded, data_dir: Path, columns: Columns | None = None) -> Iterator[Connection | None]:
    """The alerts' database that a configuration names, else that of the data directory; `columns` as for `alerts`."""
    said = loaded.config.alerting.database
    if said is None:
        with alerts(data_dir, columns) as found:
            yield found
        return
    store = Store(read_secret(loaded, ("alerting", "database"), said), columns, as_stored=True)
    try:
        with store.reading() as connection:
            yield connection
    finally:
        store.close()


def tables(
    data_dir: Path, connection: Connection | None
) -> dict[str, tuple[Path, Callable[..., list[tuple[int, bytes]]]]]:
    """The sealed tables of a data directory, for `verify_store`."""
    if connection is None:
        return {}

    def reading(name: str) -> Callable[..., list[tuple[int, bytes]]]:
        return lambda since, limit: rows(connection, name, since, limit)

    return {name: (data_dir / ALERTS_FILE, reading(name)) for name in KEPT}


def checkpoints(path: Path) -> list[str]:
    """The signed checkpoints in a file: one note as it is, or lines of JSON that hold one, as anchors keep them.

    Raises RejectedError naming the line that holds none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RejectedError(f"the checkpoint cannot be read ({error})", where=str(path)) from error
    if "\n\n\u2014 " in text and not text.lstrip().startswith("{"):
        return [text]
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                # A line of syslog has words before the document.
                note = _note(msgspec.json.decode(line[line.index("{") :]))
            except (msgspec.MsgspecError, ValueError) as error:
                raise RejectedError("is neither a signed note nor JSON", where=f"{path}:{number}") from error
            if note is None:
                raise RejectedError("holds no checkpoint", where=f"{path}:{number}")
            found.append(note)
    if not found:
        raise RejectedError("there is no checkpoint in it", where=str(path))
    return found


def parsed(notes: Iterable[str], keys: Sequence[Verifier]) -> list[Checkpoint]:
    """Checkpoints that are signed by one of the keys. Raises RejectedError where one is not."""
    return [Checkpoint.parse(opened(note, keys).text) for note in notes]


class Chosen(NamedTuple):
    """What a proof is asked for, and what of it could not be found."""

    wanted: list[Wanted]
    missing: list[str]


def events(frames: Frames, ids: Iterable[str]) -> Chosen:
    """The lines of events by their ids."""
    left = set(ids)
    wanted = []
    for frame in frames.events():
        if not left:
            break
        try:
            found = {at: event_id(event) for at, event in events_of(frame.decoded, frame.lines)}
        except DamagedError:
            continue
        lines = tuple(at for at, id_ in found.items() if id_ in left)
        if lines:
            left -= {found[at] for at in lines}
            wanted.append(frame.wanted(lines))
    return Chosen(wanted, sorted(left))


def incident(frames: Frames, connection: Connection | None, id_: str) -> Chosen:
    """Everything that an incident stands on: its events and findings, its decisions, timeline and alerts.

    Rows are shown as they lie there, since that is what was sealed; what is looked up the connection decrypts.
    Raises RejectedError where there is no such incident.
    """
    if connection is None:
        raise RejectedError("the alerts are not in this data directory", hint="name the one of a process that alerts")
    found = connection.execute(select(FINDINGS.c.body).where(FINDINGS.c.incident == id_)).all()
    if not found:
        raise RejectedError(f"there is no incident {id_!r} with findings", hint="`tocsin incident list` names them")
    members: list[Finding] = [DECODER.decode(body) for (body,) in found]
    wanted = []
    for name, table in _TABLES.items():
        for (number,) in connection.execute(select(table.c.id).where(table.c.incident == id_)):
            ((_, row),) = rows(connection, name, number, 1)
            wanted.append(Wanted(name, 0, number, b"", row, row=True))
    evidence = events(frames, {event for member in members for event in member.event_ids})
    names = {member.id for member in members}
    return Chosen([*wanted, *evidence.wanted, *_findings(frames, names)], evidence.missing)


def span(frames: Frames, since: float, until: float) -> Chosen:
    """All events received in a stretch of time."""
    return Chosen([one.wanted(None) for one in frames.events() if since <= one.decoded.received < until], [])


def _findings(frames: Frames, ids: set[str]) -> Iterator[Wanted]:
    for frame in frames.findings():
        if frame.decoded.content == "findings":
            found = {at: DECODER.decode(line.text).id for at, line in enumerate(frame.lines) if line.text is not None}
            lines = tuple(at for at, id_ in found.items() if id_ in ids)
            if lines:
                yield frame.wanted(lines)


def _note(said: object) -> str | None:
    if isinstance(said, dict):
        for key, value in said.items():
            if key == "checkpoint" and isinstance(value, str):
                return value
            if (found := _note(value)) is not None:
                return found
    return None
