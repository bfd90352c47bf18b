"""Trying a format on a sample: what it makes of each record, what it leaves, what it refuses and why."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from collector.format import Format, RecordError, read
from collector.format_auto import Auto
from collector.lines import JSON, split
from collector.mapping.mapped import Mapped
from stream.errors import RejectedError
from tocsin.history.files import EXPORT_LIMIT, open_file
from tocsin_audit.event import AuditEvent

RECORDS: Final = 100_000
"""Records of a sample at most."""
SHAPES: Final = 50
"""Records that are searched for what is left of them; each of a shape of its own."""
LEAVES: Final = 400
"""Values of one record that are looked at, at most."""

Path_ = tuple[str | int, ...]


class Reads(Protocol):
    """Something open that bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""
        ...


@dataclass(slots=True)
class Tried:
    """One record: its number in the file, the format that it was read as, and what came of it."""

    number: int
    record: bytes
    form: str
    events: Sequence[AuditEvent]
    error: RecordError | None
    left: Sequence[str] = ()


@dataclass(slots=True)
class Trial:
    """What came of a sample; `left` counts the values that no event took anything from."""

    tried: list[Tried] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)

    @property
    def events(self) -> list[AuditEvent]:
        """All events."""
        return [event for each in self.tried for event in each.events]


def try_file(path: Path, form: Format) -> Trial:
    """Read a sample, plain, .gz or .zst: lines, a JSON array, one JSON object, or one binary record.

    Raises RejectedError where the file cannot be read or is too large for a sample.
    """
    with open_file(path) as source:
        return try_stream(source, form, str(path))


def try_stream(source: Reads, form: Format, where: str = "standard input") -> Trial:
    """Read a sample from what is open. Raises RejectedError where it is too large for one."""
    body = source.read(EXPORT_LIMIT + 1)
    if len(body) > EXPORT_LIMIT:
        raise RejectedError(
            f"larger than {EXPORT_LIMIT >> 20} MiB", where=where, hint="take the first lines: head -n 1000 FILE"
        )
    trial = Trial()
    shapes: set[frozenset[str]] = set()
    for number, record in _records(body):
        chosen = (form.choose(record) or form) if isinstance(form, Auto) else form
        made = read(chosen, record)
        tried = Tried(number, record, chosen.name, made.events, made.error)
        if made.events and len(shapes) < SHAPES:
            tried.left = _left(chosen, record, shapes)
            trial.left.update(tried.left)
        trial.tried.append(tried)
    return trial


def _records(body: bytes) -> Iterator[tuple[int, bytes]]:
    try:
        body.decode()
    except UnicodeDecodeError:
        if body[:1] == b"\x0a":
            # A message of protobuf, whose line ends mean nothing.
            yield 1, body
            return
    lines = split(body, JSON, RECORDS)
    yield from zip(lines.numbers, lines.lines, strict=True)


def _left(form: Format, record: bytes, shapes: set[frozenset[str]]) -> list[str]:
    """The values of a record without which the same events come of it."""
    tree, make = _taken_apart(form, record)
    if tree is None:
        return []
    leaves = list(_leaves(tree))[:LEAVES]
    shape = frozenset(label for _, label in leaves)
    if shape in shapes:
        return []
    shapes.add(shape)
    whole = make(tree)
    left: dict[str, None] = {}
    for path, label in leaves:
        if make(_lacking(tree, path)) == whole:
            left[label] = None
    return list(left)


def _taken_apart(form: Format, record: bytes) -> tuple[Any, Callable[[Any], object]]:
    if isinstance(form, Mapped):
        reader = form
        return reader.read(record), lambda tree: _made(lambda: reader.events(tree))
    try:
        tree = msgspec.json.decode(record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, lambda _: None
    return tree, lambda tree: _made(lambda: form.parse(msgspec.json.encode(tree)))


def _made(make: Callable[[], Sequence[AuditEvent]]) -> object:
    try:
        return list(make())
    except RecordError as error:
        return error.what


def _leaves(node: Any, path: Path_ = (), label: str = "") -> Iterator[tuple[Path_, str]]:
    if len(path) > 24:
        return
    if isinstance(node, Mapping) and node:
        for key, value in list(node.items())[:LEAVES]:
            yield from _leaves(value, (*path, key), f"{label}.{key}" if label else str(key))
    elif isinstance(node, list) and any(isinstance(item, dict) for item in node):
        for at, item in enumerate(node[:20]):
            if isinstance(item, dict) and isinstance(item.get("key"), str) and "value" in item:
                # A pair as OTLP writes it: the key is what people know it by.
                yield (*path, at), f"{label}.{item['key']}"
            else:
                yield from _leaves(item, (*path, at), f"{label}[]")
    elif path and node is not None:
        yield path, label


def _lacking(tree: Any, path: Path_) -> Any:
    copied = copy.deepcopy(tree)
    node = copied
    for part in path[:-1]:
        node = node[part]
    del node[path[-1]]
    return copied
