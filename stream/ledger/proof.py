"""A proof to hand out: some events or whole frames, with the hashes that tie them to a signed checkpoint, one a line.

It shows nothing of what it does not prove: others' events are salted hashes in it. The first line has the checkpoint;
each further line is a seal, the entry of a frame in the seal before it, or an event or payload of the entry before it.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from stream.errors import UNREADABLE, RejectedError
from stream.frame import HEADER_DECODER, Frame, Keys
from stream.ledger.merkle import consistency, consistent, included, inclusion, leaf_hash
from stream.ledger.note import Checkpoint, Verifier, opened
from stream.ledger.reading import LedgerFile, Stored
from stream.ledger.seal import DECODER, Entry, Part, Seal, events_hash, frame_lines
from stream.ledger.signing import vouched
from stream.ledger.verify import Proved
from stream.rewrite import Line, rest, salted_lines

FORM: Final = "tocsin-proof/1"


class Wanted(NamedTuple):
    """What is to be proved: lines (from 0 on) of a frame or row, or all of it where `lines` is None.

    `header` is a frame's encoded header, empty for a row, whose salt the ledger keeps; `keys` undo its encryption.
    `digest` is that of the payload a frame had before it lost lines: `payload` is then what is left, decrypted.
    """

    stream: str
    partition: int
    offset: int
    header: bytes
    payload: bytes
    lines: tuple[int, ...] | None = None
    row: bool = False
    keys: Keys | None = None
    digest: bytes | None = None


class Shown(NamedTuple):
    """A line that a proof has proved, where it stood, and when it was sealed."""

    stream: str
    partition: int
    offset: int
    line: int
    text: bytes
    sealed: str


def write_proof(
    ledger: LedgerFile, proved: Proved, note: str, wanted: Iterable[Wanted], earlier: Sequence[Checkpoint] = ()
) -> Iterator[bytes]:
    """The lines of a proof under a checkpoint of a ledger that was found good.

    `earlier` are checkpoints that the reader has: the proof shows that its own came of them. Raises RejectedError where
    something wanted is not under the checkpoint yet.
    """
    checkpoint = Checkpoint.parse(note.rpartition("\n\n")[0] + "\n")
    leaves = proved.leaves[: checkpoint.size]
    if len(leaves) < checkpoint.size:
        raise RejectedError(
            f"the checkpoint is of {checkpoint.size} seals, and {len(leaves)} were found good",
            hint="take one that is no newer than what was verified",
        )
    yield _line(
        form=FORM,
        endorsements=ledger.endorsements(),
        checkpoint=note,
        consistency=[
            {"size": old.size, "root": old.root.hex(), "path": _hex(consistency(leaves, old.size))}
            for old in earlier
            if 0 < old.size <= checkpoint.size
        ],
    )
    bodies = dict(ledger.seals())
    last: int | None = None
    part: Part | None = None
    entries: list[Stored] = []
    order = sorted(wanted, key=lambda one: (proved.seal_of(*one[:3]) or 0, one[:3]))
    for one in order:
        number = proved.seal_of(*one[:3])
        if number is None or number >= checkpoint.size:
            where = f"{one.stream}/{one.partition} at {one.offset}"
            raise RejectedError("this is not sealed and signed yet", where=where, hint="try again in a minute")
        if number != last:
            yield _line(seal=number, body=bodies[number].decode(), path=_hex(inclusion(leaves, number)))
            last, part = number, None
        if part is None or (part.stream, part.partition) != one[:2]:
            part = next(item for at, item in proved.parts[one.stream, one.partition] if at == number)
            entries = list(ledger.entries(one.stream, one.partition, part.first, part.last))
        index = next(at for at, entry in enumerate(entries) if entry.offset == one.offset)
        yield from _proved(one, entries, index)


def _proved(one: Wanted, entries: Sequence[Stored], index: int) -> Iterator[bytes]:
    stored = entries[index]
    lines, digest = _lines(one, stored)
    entry = Entry(*one[:3], stored.lines, sha256(one.header).digest(), digest, stored.events, b"")
    yield _line(entry=entry.text.decode(), index=index, path=_hex(inclusion([item.leaf for item in entries], index)))
    wanted = range(len(lines)) if one.lines is None else one.lines
    yield _line(
        leaves=_hex(line.hash for line in lines),
        events=[
            {"line": at + 1, "salt": lines[at].salt.hex(), "text": text.decode()}
            for at in wanted
            if (text := lines[at].text) is not None
        ],
    )


def _lines(one: Wanted, stored: Stored) -> tuple[list[Line], bytes]:
    """The lines of what is to be proved, and the digest that its entry has of the payload."""
    if one.digest is not None:
        return rest(one.payload), one.digest
    if one.row:
        salt = stored.salt or b""
        return salted_lines([one.payload], salt), sha256(salt + one.payload).digest()
    texts, salt = frame_lines(Frame(HEADER_DECODER.decode(one.header), one.payload, None, one.keys))
    return salted_lines(texts, salt), sha256(one.payload).digest()


class Read(NamedTuple):
    """What a proof has proved: under which checkpoint and keys, which lines, and which earlier checkpoints it holds."""

    checkpoint: Checkpoint
    by: tuple[Verifier, ...]
    shown: tuple[Shown, ...]
    earlier: tuple[tuple[int, bytes], ...]


def read_proof(lines: Iterable[bytes], trusted: Sequence[Verifier]) -> Read:
    """Check a proof. Raises RejectedError naming its first line that is not good (`where`), and why."""
    reader = _Reader(trusted)
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            reader.line(msgspec.json.decode(line))
        except RejectedError as error:
            raise RejectedError(error.what, where=f"line {number}", hint=error.hint) from error
        except (*UNREADABLE, LookupError, TypeError, ValueError, AttributeError) as error:
            raise RejectedError(f"cannot be read ({type(error).__name__}: {error})", where=f"line {number}") from error
    if reader.checkpoint is None:
        raise RejectedError("there is no proof in it", where="line 1")
    if reader.entry is not None:
        raise RejectedError("the proof ends before what its last entry proves", where=f"line {number}")
    return Read(reader.checkpoint, reader.by, tuple(reader.shown), tuple(reader.earlier))


class _Reader:
    def __init__(self, trusted: Sequence[Verifier]) -> None:
        self.checkpoint: Checkpoint | None = None
        self.by: tuple[Verifier, ...] = ()
        self.shown: list[Shown] = []
        self.earlier: list[tuple[int, bytes]] = []
        self.entry: list[str] | None = None
        self._trusted = trusted
        self._seal: Seal | None = None

    def line(self, said: dict[str, Any]) -> None:
        """Take in one line."""
        if self.checkpoint is None:
            self._begin(said)
        elif "leaves" in said:
            self._events(said)
        elif self.entry is not None:
            raise RejectedError("what the entry before it proves is missing")
        elif "seal" in said:
            self._sealed(said)
        else:
            self._entered(said)

    def _begin(self, said: dict[str, Any]) -> None:
        if said["form"] != FORM:
            raise RejectedError(f"is no proof of a form that is known here ({said['form']!r})")
        note = opened(said["checkpoint"], vouched(said["endorsements"], self._trusted))
        checkpoint = Checkpoint.parse(note.text)
        for old in said["consistency"]:
            root = bytes.fromhex(old["root"])
            if not consistent(old["size"], root, checkpoint.size, checkpoint.root, _bytes(old["path"])):
                raise RejectedError(f"the checkpoint of {old['size']} seals is not shown to be in this one")
            self.earlier.append((old["size"], root))
        self.checkpoint, self.by = checkpoint, note.by

    def _sealed(self, said: dict[str, Any]) -> None:
        assert self.checkpoint is not None
        body = said["body"].encode()
        found = included(leaf_hash(body), said["seal"], self.checkpoint.size, _bytes(said["path"]))
        if found != self.checkpoint.root:
            raise RejectedError(f"seal {said['seal']} is not in the signed ledger, or was changed")
        self._seal = DECODER.decode(body)

    def _entered(self, said: dict[str, Any]) -> None:
        text = said["entry"]
        where, offset, *_ = fields = text.removesuffix("\n").split(" ")
        if self._seal is None or len(fields) != 6 or not text.endswith("\n"):
            raise RejectedError("is an entry of no seal")
        stream, _, partition = where.rpartition("/")
        for part in self._seal.parts:
            if (part.stream, str(part.partition)) == (stream, partition) and part.first <= int(offset) <= part.last:
                found = included(leaf_hash(text.encode()), said["index"], part.frames, _bytes(said["path"]))
                if found is not None and found.hex() == part.root:
                    self.entry = fields
                    return
        raise RejectedError(f"the entry {where} {offset} is not in seal {self._seal.number}, or was changed")

    def _events(self, said: dict[str, Any]) -> None:
        if self.entry is None or self._seal is None:
            raise RejectedError("proves nothing, since no entry stands before it")
        where, offset, count, _, _, events = self.entry
        leaves = _bytes(said["leaves"])
        if events_hash(leaves).hex() != events or len(leaves) != int(count):
            raise RejectedError(f"the hashes of lines are not those of {where} {offset}")
        stream, _, partition = where.rpartition("/")
        for event in said["events"]:
            text = event["text"].encode()
            leaf = sha256(b"\x00" + bytes.fromhex(event["salt"]) + text).digest()
            if event["line"] < 1 or leaves[event["line"] - 1] != leaf:
                raise RejectedError(f"line {event['line']} of {where} {offset} is not the one that was sealed")
            self.shown.append(Shown(stream, int(partition), int(offset), event["line"], text, self._seal.time))
        self.entry = None


def _line(**fields: object) -> bytes:
    return msgspec.json.encode(fields)


def _hex(hashes: Iterable[bytes]) -> list[str]:
    return [one.hex() for one in hashes]


def _bytes(texts: Iterable[str]) -> list[bytes]:
    found = [bytes.fromhex(text) for text in texts]
    if any(len(one) != 32 for one in found):
        raise ValueError("a hash has another length")
    return found
