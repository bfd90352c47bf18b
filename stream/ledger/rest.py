"""Proof of what is left of a frame on Kafka: a sealed note says so, and its lines are those that were sealed."""

from hashlib import sha256

from stream.broker.rest import lines_of
from stream.errors import DamagedError
from stream.frame import Frame
from stream.ledger.reading import LedgerFile
from stream.ledger.seal import Entry, events_hash
from stream.ledger.verify import Proved
from stream.log import Stream
from stream.rewrite import gone


def check_rest(ledger: LedgerFile, proved: Proved, stream: Stream, frame: Frame) -> str | None:
    """What is wrong with a frame of content `rest`; None where nothing is. Its note alone tells of an encrypted one."""
    was = frame.header.was
    if was is None:
        return "does not say of which frame it is the rest"
    of = f"the frame at {was.offset}"
    entry = next(ledger.entries(*stream, was.offset, was.offset), None)
    if entry is None:
        return f"is said to be left of {of}, which no seal has"
    known = proved.removed.known(*stream, was.offset, sha256(frame.payload).hexdigest())
    if known is None or known.lines != was.gone.hex():
        return f"is said to be left of {of}, and no sealed note says so"
    header, digest = sha256(was.header).digest(), was.digest
    if Entry(*stream, was.offset, entry.lines, header, digest, entry.events, entry.hints).leaf != entry.leaf:
        return f"is not left of {of} as that was sealed"
    if frame.header.key_id is not None:
        # Verifying has no data key; the note has the digest of what is stored.
        return None
    try:
        lines = lines_of(frame)
    except DamagedError as error:
        return error.what
    if gone(lines) != was.gone or events_hash([line.hash for line in lines]) != entry.events:
        return f"has other lines than those that were sealed of {of}"
    return None
