"""Some of a frame's lines as a frame of their own: what the header says of each line stays with it."""

from collections.abc import Sequence

import msgspec

from stream.frame import Header, bit, bitmap


def narrowed(header: Header, kept: Sequence[int]) -> Header:
    """The header of a frame that holds only some of the lines, named by their index in rising order.

    Each keeps its number in the source, so that the ids made of it stay, and whether it was late or skewed.
    """
    numbers = header.lines or range(header.line, header.line + (kept[-1] + 1 if kept else 0))
    return msgspec.structs.replace(
        header,
        count=len(kept),
        line=numbers[kept[0]] if kept else header.line,
        lines=tuple(numbers[at] for at in kept),
        late=bitmap([bit(header.late, at) for at in kept]) if header.late else b"",
        skewed=bitmap([bit(header.skewed, at) for at in kept]) if header.skewed else b"",
    )
