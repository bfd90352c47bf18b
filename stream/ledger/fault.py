"""A fault that verification found."""

from pathlib import Path
from typing import NamedTuple


class Fault(NamedTuple):
    """The first place that is not what was written: the file, the first offset that is not good, and what differs.

    `line` is that of the frame's lines that was changed, from 1 on, where it can be told. In the ledger's own file the
    offset is the number of a seal.
    """

    file: Path
    offset: int
    what: str
    line: int | None = None
