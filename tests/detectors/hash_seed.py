"""Prints all that detectors make of the suite's traffic; run under several hash seeds by the contract suite."""

import sys

import msgspec

from detectors.discovery import detector_names, load_detector
from detectors.engine.engine import Engine
from stream.finding import public
from tests.detectors.reference import Reference
from tests.detectors.streams import directory, finish, frames
from tests.detectors.traffic import DIRECTORY, mixed


def main() -> None:
    """Print findings and the bytes of a snapshot as JSON."""
    engine = Engine([Reference(), *(load_detector(name)() for name in detector_names())])
    found = engine.fold(directory(0, DIRECTORY))
    for record in frames(mixed(7)):
        found += engine.fold(record)
    meta, rows = engine.snapshot()
    found += finish(engine)
    packed = {name: row.hex() if row is not None else None for name, row in sorted(rows.items())}
    answer = {"findings": [public(one) for one in found], "meta": meta.hex(), "rows": packed}
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
