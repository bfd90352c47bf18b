"""Paths into JSON values: `rows[*].tenant_id`, `[0].owner`, `["a.b"]`."""

import re
from collections.abc import Iterator
from typing import Any, Final

Step = str | int | None
"""A key, an index, or null for every element."""

_STEP: Final = re.compile(r"""\.?([^.\[\]"]+)|\[(\*)\]|\[(\d{1,6})\]|\["([^"\]]+)"\]""")
_MOST_STEPS: Final = 16


def parse(path: str) -> tuple[Step, ...]:
    """The steps of a path; a leading `$` means nothing.

    Raises ValueError where the path cannot be read, or is longer than 16 steps.
    """
    text = path.strip().removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(f"cannot read {path!r} at {text[at:]!r}; write it like rows[*].tenant_id")
        name, every, index, quoted = match.groups()
        steps.append(None if every else int(index) if index else name or quoted)
        at = match.end()
    if not steps or len(steps) > _MOST_STEPS:
        raise ValueError(f"{path!r} needs between one and {_MOST_STEPS} steps")
    return tuple(steps)


def walk(value: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    """Everything in a JSON value that a path leads to; nothing where it leads nowhere."""
    reached = [value]
    for step in steps:
        if step is None:
            reached = [item for value in reached if isinstance(value, list) for item in value]
        elif isinstance(step, int):
            reached = [value[step] for value in reached if isinstance(value, list) and step < len(value)]
        else:
            reached = [value[step] for value in reached if isinstance(value, dict) and step in value]
    yield from reached
