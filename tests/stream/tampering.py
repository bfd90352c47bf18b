"""What somebody with the data directory, but without the signing key, may try; each change says where it was made."""

import base64
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from stream.frame import HEADER_DECODER, HEADER_ENCODER, Frame, link, pack, unpack
from stream.ledger.file import FILE
from stream.ledger.merkle import leaf_hash, root
from stream.ledger.note import Checkpoint, Signer, signed
from stream.ledger.seal import DECODER, ENCODER, frame_entry
from stream.salt import fresh_salt, salt_of, salted
from stream.sqlite import FINDINGS_FILE
from tests.stream.ledgers import DAYS, ROWS

MALLORY: Final = Signer("example.org/log", bytes(32))
"""A key of the same name that nobody trusts."""


class Done(NamedTuple):
    """What was changed: in words, and the places (file and offset) of which verification must name one."""

    what: str
    places: frozenset[tuple[str, int]]
    line: int | None = None


class Store:
    """A folder under attack."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = Random(seed)

    def run(self, name: str, *statements: tuple[str, tuple[object, ...]]) -> int:
        """Change a file; how many rows."""
        path = self.folder / name
        changed = 0
        with closing(sqlite3.connect(path)) as connection, connection:
            for text, values in statements:
                changed += connection.execute(text, values).rowcount
        return changed

    def ask(self, name: str, text: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Read a file."""
        with closing(sqlite3.connect(self.folder / name)) as connection:
            return connection.execute(text, values).fetchall()

    def a_file(self) -> str:
        """One of the files of frames: of events, or of findings and what operators did."""
        return self.random.choice((*(f"log/{day}" for day in DAYS), FINDINGS_FILE))

    def a_row(self, *, last: bool = True) -> int:
        """The number of one of the rows beside the log."""
        found: list[int] = [number for (number,) in self.ask(ROWS, "SELECT id FROM t ORDER BY id")]
        return self.random.choice(found if last else found[:-1])

    def a_frame(self, day: str, *, last: bool = True) -> int:
        """The offset of one of a day's sealed frames."""
        found: list[int] = [offset for (offset,) in self.ask(day, 'SELECT "offset" FROM frames ORDER BY "offset"')]
        return self.random.choice(found if last else found[:-1])

    def seal_of(self, stream: str, offset: int) -> int:
        """The seal that has an offset."""
        for number, body in self.ask(FILE, "SELECT number, body FROM seals ORDER BY number"):
            for part in DECODER.decode(body).parts:
                if part.stream == stream and part.first <= offset <= part.last:
                    return int(number)
        raise AssertionError(f"{stream} {offset} is in no seal")

    def rechain(self) -> None:
        """Work out every digest, chain and file start again, as whoever knows the format can."""
        previous = bytes(32)
        for name in (*(f"log/{day}" for day in DAYS), FINDINGS_FILE):
            if name == FINDINGS_FILE:
                previous = bytes(32)
            with closing(sqlite3.connect(self.folder / name)) as connection, connection:
                connection.execute("UPDATE meta SET previous = ?", (previous,))
                rows = connection.execute('SELECT "offset", header, digest, payload FROM frames ORDER BY "offset"')
                for offset, header, digest, payload in rows.fetchall():
                    found = digest if payload is None else sha256(payload).digest()
                    previous = link(previous, header, found)
                    connection.execute(
                        'UPDATE frames SET digest = ?, chain = ? WHERE "offset" = ?', (found, previous, offset)
                    )

    def reseal(self, signer: Signer | None = None) -> None:
        """Make entries, seals and, with a key, checkpoints fit what now stands in the log."""
        with closing(sqlite3.connect(self.folder / FILE)) as ledger, ledger:
            for name, stream in (*((f"log/{day}", "events") for day in DAYS), (FINDINGS_FILE, "findings")):
                with closing(sqlite3.connect(self.folder / name)) as connection:
                    for offset, header, payload in connection.execute('SELECT "offset", header, payload FROM frames'):
                        entry = frame_entry(stream, 0, offset, Frame(HEADER_DECODER.decode(header), payload))
                        ledger.execute(
                            "UPDATE entries SET leaf = ?, count = ?, events = ?, hints = ? "
                            'WHERE stream = ? AND "offset" = ?',
                            (entry.leaf, entry.lines, entry.events, entry.hints, stream, offset),
                        )
            previous, leaves = bytes(32), []
            for number, body in ledger.execute("SELECT number, body FROM seals ORDER BY number").fetchall():
                seal = DECODER.decode(body)
                parts = []
                for part in seal.parts:
                    own = ledger.execute(
                        'SELECT leaf, hints FROM entries WHERE stream = ? AND "offset" BETWEEN ? AND ?',
                        (part.stream, part.first, part.last),
                    ).fetchall()
                    hints = sha256(b"".join(hint for _, hint in own)).hexdigest()
                    parts.append(msgspec.structs.replace(part, root=root([leaf for leaf, _ in own]).hex(), hints=hints))
                made = ENCODER.encode(msgspec.structs.replace(seal, previous=previous.hex(), parts=tuple(parts)))
                ledger.execute("UPDATE seals SET body = ? WHERE number = ?", (made, number))
                previous = leaf_hash(made)
                leaves.append(previous)
            if signer is not None:
                for (size,) in ledger.execute("SELECT size FROM checkpoints").fetchall():
                    note = signed(str(Checkpoint("example.org/log", size, root(leaves[:size]))), [signer])
                    ledger.execute("UPDATE checkpoints SET note = ? WHERE size = ?", (note, size))


def flip_frame(store: Store) -> Done:
    """One bit of a stored column."""
    day = store.a_file()
    offset = store.a_frame(day)
    column = store.random.choice(("header", "digest", "chain", "payload", "payload"))
    ((content,),) = store.ask(day, f'SELECT {column} FROM frames WHERE "offset" = ?', (offset,))
    store.run(day, (f'UPDATE frames SET {column} = ? WHERE "offset" = ?', (_flipped(store, content), offset)))
    return Done(f"a bit of {column}", _at(day, offset))


def drop_frame(store: Store) -> Done:
    """A frame is deleted."""
    day = store.a_file()
    offset = store.a_frame(day)
    store.run(day, ('DELETE FROM frames WHERE "offset" = ?', (offset,)))
    return Done("a frame deleted", _at(day, offset))


def swap_frames(store: Store) -> Done:
    """Two frames change places, and everything is chained anew."""
    day = store.a_file()
    first, second = store.a_frame(day), store.a_frame(day)
    while second == first:
        second = store.a_frame(day)
    move = 'UPDATE frames SET "offset" = ? WHERE "offset" = ?'
    store.run(day, (move, (-1, first)), (move, (first, second)), (move, (second, -1)))
    if store.random.random() < 0.7:
        store.rechain()
    return Done("two frames swapped", _at(day, min(first, second)))


def replay_frame(store: Store) -> Done:
    """A frame stands a second time, in the place of another, and everything is chained anew."""
    day = store.a_file()
    first, second = store.a_frame(day), store.a_frame(day)
    while second == first:
        second = store.a_frame(day)
    columns = ("header", '"first"', '"last"', "payload")
    sets = ", ".join(f'{name} = (SELECT {name} FROM frames WHERE "offset" = {first})' for name in columns)
    store.run(day, (f'UPDATE frames SET {sets} WHERE "offset" = ?', (second,)))
    store.rechain()
    return Done("a frame replayed", _at(day, second))


def edit_line(store: Store) -> Done:
    """One line of a frame says something else; the salt stays, and everything is chained anew."""
    day = store.a_file()
    offset = store.a_frame(day)
    ((header, payload),) = store.ask(day, 'SELECT header, payload FROM frames WHERE "offset" = ?', (offset,))
    frame = Frame(HEADER_DECODER.decode(header), payload)
    lines = unpack(frame).split(b"\n")
    line = store.random.randrange(len(lines))
    lines[line] = lines[line].replace(b"user-", b"nobody-")
    made = salted(pack(frame.header, b"\n".join(lines)), salt_of(payload)).payload
    store.run(day, ('UPDATE frames SET payload = ? WHERE "offset" = ?', (made, offset)))
    if store.random.random() < 0.7:
        store.rechain()
    return Done("a line edited", _at(day, offset), line + 1)


def edit_header(store: Store) -> Done:
    """A frame says that others sent it, and everything is chained anew."""
    day = store.a_file()
    offset = store.a_frame(day)
    ((header,),) = store.ask(day, 'SELECT header FROM frames WHERE "offset" = ?', (offset,))
    made = HEADER_ENCODER.encode(msgspec.structs.replace(HEADER_DECODER.decode(header), source="somebody else"))
    store.run(day, ('UPDATE frames SET header = ? WHERE "offset" = ?', (made, offset)))
    store.rechain()
    return Done("a header edited", _at(day, offset))


def remove_payload(store: Store) -> Done:
    """A payload is gone and says why, but nobody sealed that it should go."""
    day = store.a_file()
    offset = store.a_frame(day)
    store.run(day, ("UPDATE frames SET payload = NULL, gone = 'retention' WHERE \"offset\" = ?", (offset,)))
    return Done("a payload removed", _at(day, offset))


def cut_tail(store: Store) -> Done:
    """The last frames of the log are cut off, tidily."""
    day = f"log/{DAYS[-1]}"
    offset = store.a_frame(day, last=False)
    store.run(
        day,
        ('DELETE FROM frames WHERE "offset" > ?', (offset,)),
        ("UPDATE sqlite_sequence SET seq = ?", (offset,)),
    )
    return Done("the tail cut off", _at(day, offset + 1))


def insert_frame(store: Store) -> Done:
    """A frame is put in front of a later day's, and all that follows moves on by one."""
    day = f"log/{DAYS[-1]}"
    offset = store.a_frame(day)
    store.run(
        day,
        ('UPDATE frames SET "offset" = -"offset" - 1 WHERE "offset" >= ?', (offset,)),
        ('UPDATE frames SET "offset" = -"offset" WHERE "offset" < 0', ()),
    )
    store.run(
        day,
        (
            'INSERT INTO frames SELECT ?, "first", "last", header, digest, chain, gone, payload FROM frames '
            'WHERE "offset" = ?',
            (offset, offset + 1),
        ),
    )
    ((payload, header),) = store.ask(day, 'SELECT payload, header FROM frames WHERE "offset" = ?', (offset,))
    lines = unpack(Frame(HEADER_DECODER.decode(header), payload))
    made = salted(pack(HEADER_DECODER.decode(header), lines), fresh_salt())
    store.run(
        day,
        ('UPDATE frames SET payload = ? WHERE "offset" = ?', (made.payload, offset)),
        ('UPDATE sqlite_sequence SET seq = (SELECT max("offset") FROM frames)', ()),
    )
    store.rechain()
    return Done("a frame put in", _at(day, offset))


def drop_day(store: Store) -> Done:
    """A whole day is gone: the first without a trace in the chain."""
    day = store.random.choice(DAYS)
    path = store.folder / "log" / day
    first = store.ask(f"log/{day}", 'SELECT min("offset") FROM frames')[0][0]
    later = [name for name in DAYS if name > day][:1]
    seen = {(name, store.ask(f"log/{name}", 'SELECT min("offset") FROM frames')[0][0]) for name in later}
    path.unlink()
    return Done("a day deleted", frozenset((name, first) for name in DAYS) | {("log", first)} | seen)


def flip_seal(store: Store) -> Done:
    """A byte of a seal."""
    ((number, body),) = store.ask(FILE, "SELECT number, body FROM seals ORDER BY random() LIMIT 1")
    store.run(FILE, ("UPDATE seals SET body = ? WHERE number = ?", (_flipped(store, body), number)))
    return Done("a seal changed", _seals(number, -1, -2))


def drop_seal(store: Store) -> Done:
    """A seal is deleted."""
    ((number,),) = store.ask(FILE, "SELECT number FROM seals ORDER BY random() LIMIT 1")
    store.run(FILE, ("DELETE FROM seals WHERE number = ?", (number,)))
    return Done("a seal deleted", _seals(number, 1))


def swap_seals(store: Store) -> Done:
    """Two seals change places."""
    found = [number for (number,) in store.ask(FILE, "SELECT number FROM seals")]
    first, second = sorted(number for number in store.random.sample(found, 2))
    move = "UPDATE seals SET number = ? WHERE number = ?"
    store.run(FILE, (move, (-1, first)), (move, (first, second)), (move, (second, -1)))
    return Done("two seals swapped", _seals(first))


def flip_entry(store: Store) -> Done:
    """A byte of what the ledger keeps of a frame."""
    column = store.random.choice(("leaf", "events", "hints"))
    ((stream, offset, content),) = store.ask(
        FILE, f"SELECT stream, \"offset\", {column} FROM entries WHERE stream = 'events' ORDER BY random() LIMIT 1"
    )
    store.run(
        FILE,
        (
            f'UPDATE entries SET {column} = ? WHERE stream = ? AND "offset" = ?',
            (_flipped(store, content), stream, offset),
        ),
    )
    return Done(f"the {column} of an entry changed", _seals(store.seal_of(stream, offset)))


def drop_entry(store: Store) -> Done:
    """What the ledger keeps of a frame is deleted."""
    ((stream, offset),) = store.ask(FILE, 'SELECT stream, "offset" FROM entries ORDER BY random() LIMIT 1')
    number = store.seal_of(stream, offset)
    store.run(FILE, ('DELETE FROM entries WHERE stream = ? AND "offset" = ?', (stream, offset)))
    return Done("an entry deleted", _seals(number))


def flip_checkpoint(store: Store) -> Done:
    """A sign of a signed checkpoint."""
    ((size, note),) = store.ask(FILE, "SELECT size, note FROM checkpoints ORDER BY random() LIMIT 1")
    at = store.random.randrange(len(note))
    made = note[:at] + chr(ord(note[at]) ^ 1) + note[at + 1 :]
    store.run(FILE, ("UPDATE checkpoints SET note = ? WHERE size = ?", (made, size)))
    return Done("a checkpoint changed", frozenset((FILE, number) for number in range(size + 1)))


def drop_checkpoint(store: Store) -> Done:
    """A checkpoint that others have seen is deleted."""
    ((size,),) = store.ask(FILE, "SELECT size FROM checkpoints WHERE size < (SELECT max(size) - 1 FROM checkpoints)")[
        :1
    ]
    store.run(FILE, ("DELETE FROM checkpoints WHERE size = ?", (size,)))
    return Done("a checkpoint deleted", _seals(size, 1, 2))


def change_row(store: Store) -> Done:
    """A decision says something else."""
    number = store.a_row()
    store.run(ROWS, ("UPDATE t SET body = 'decided otherwise' WHERE id = ?", (number,)))
    return Done("a row changed", frozenset({(ROWS, number)}))


def drop_row(store: Store) -> Done:
    """A decision is deleted."""
    number = store.a_row()
    store.run(ROWS, ("DELETE FROM t WHERE id = ?", (number,)))
    return Done("a row deleted", frozenset({(ROWS, number)}))


def insert_row(store: Store) -> Done:
    """A decision is put in between."""
    number = store.a_row(last=False) + 1
    store.run(ROWS, ("INSERT INTO t VALUES (?, 'decided long ago')", (number,)))
    return Done("a row put in", frozenset({(ROWS, number)}))


def swap_rows(store: Store) -> Done:
    """Two decisions change places."""
    first, second = sorted((store.a_row(), store.a_row()))
    while second == first:
        first, second = sorted((store.a_row(), store.a_row()))
    move = "UPDATE t SET id = ? WHERE id = ?"
    store.run(ROWS, (move, (-1, first)), (move, (first, second)), (move, (second, -1)))
    return Done("two rows swapped", frozenset({(ROWS, first)}))


def replay_row(store: Store) -> Done:
    """A decision stands a second time, in the place of another."""
    first, second = store.a_row(), store.a_row()
    while second == first:
        second = store.a_row()
    store.run(ROWS, ("UPDATE t SET body = (SELECT body FROM t WHERE id = ?) WHERE id = ?", (first, second)))
    return Done("a row replayed", frozenset({(ROWS, second)}))


def cut_rows(store: Store) -> Done:
    """The last decisions are cut off."""
    number = store.a_row(last=False)
    ((after,),) = store.ask(ROWS, "SELECT min(id) FROM t WHERE id > ?", (number,))
    store.run(ROWS, ("DELETE FROM t WHERE id > ?", (number,)))
    return Done("the last rows cut off", frozenset({(ROWS, after)}))


def cut_findings(store: Store) -> Done:
    """The last findings are cut off, tidily."""
    offset = store.a_frame(FINDINGS_FILE, last=False)
    cut = ('DELETE FROM frames WHERE "offset" > ?', (offset,))
    store.run(FINDINGS_FILE, cut, ("UPDATE sqlite_sequence SET seq = ?", (offset,)))
    return Done("the last findings cut off", _at(FINDINGS_FILE, offset + 1))


def resealed(store: Store) -> Done:
    """A line is edited, and chain, entries and seals are all made to fit; the checkpoints cannot be."""
    done = edit_line(store)
    ((name, offset),) = done.places
    store.rechain()
    store.reseal()
    number = store.seal_of("findings" if name == FINDINGS_FILE else "events", offset)
    return Done("a line edited and sealed anew", frozenset((FILE, at) for at in range(number + 1)) | {(name, offset)})


def resigned(store: Store) -> Done:
    """The same, and all is signed by another key of the same name."""
    edit_line(store)
    store.rechain()
    store.reseal(MALLORY)
    return Done("sealed and signed anew", _seals(0))


def resigned_as_ours(store: Store) -> Done:
    """The same, and the signatures are said to be of the trusted key."""
    edit_line(store)
    store.rechain()
    store.reseal(MALLORY)
    ours = sha256(b"").digest()[:4]
    for size, note in store.ask(FILE, "SELECT size, note FROM checkpoints"):
        text, _, line = note.rpartition("\n\n")
        blob = base64.b64decode(line.split(" ")[2])
        made = f"{text}\n\n{' '.join(line.split(' ')[:2])} {base64.b64encode(ours + blob[4:]).decode()}\n"
        store.run(FILE, ("UPDATE checkpoints SET note = ? WHERE size = ?", (made, size)))
    return Done("signed under a borrowed id", _seals(0))


ATTACKS: Final[Mapping[str, Callable[[Store], Done]]] = {
    made.__name__: made
    for made in (
        flip_frame,
        drop_frame,
        swap_frames,
        replay_frame,
        edit_line,
        edit_header,
        remove_payload,
        cut_tail,
        insert_frame,
        drop_day,
        flip_seal,
        drop_seal,
        swap_seals,
        flip_entry,
        drop_entry,
        flip_checkpoint,
        drop_checkpoint,
        change_row,
        drop_row,
        insert_row,
        swap_rows,
        replay_row,
        cut_rows,
        cut_findings,
        resealed,
        resigned,
        resigned_as_ours,
    )
}


def _at(day: str, offset: int) -> frozenset[tuple[str, int]]:
    return frozenset({(Path(day).name, offset)})


def _seals(number: int, *more: int) -> frozenset[tuple[str, int]]:
    return frozenset((FILE, number + extra) for extra in (0, *more))


def _flipped(store: Store, content: bytes) -> bytes:
    made = bytearray(content)
    made[store.random.randrange(len(made))] ^= 1 << store.random.randrange(8)
    return bytes(made)
