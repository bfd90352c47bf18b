"""The format `mapped`: records described in YAML instead of code, one description a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collector.format import UNTIMED, About, RecordError
from collector.mapping.expression import Compiler, MappingFault, Place
from collector.mapping.records import KINDS as RECORDS
from collector.mapping.records import Read, reader
from collector.mapping.value import ANY, Get, Holds
from collector.parts.outcome import complete
from stream.errors import ConfigError
from tocsin_audit.event import FIELDS, KINDS, OUTCOMES, STAMPED, AuditEvent

KEYS: Final = ("title", "versions", "blind", "sampled", "record", "within", "detect", "zone", "fields", "events")
VARIANT: Final = ("when", "each", "fields")
MOST: Final = 1000
"""Events of one record at most."""
RECEIVED: Final = "received"
"""Said for `time` where the source writes none."""

_OWN: Final = tuple(field for field in FIELDS if field not in STAMPED and field != "v")


class MappingError(ConfigError):
    """A description that cannot be used: all its faults, each with its place in the YAML."""

    def __init__(self, name: str, faults: Sequence[MappingFault]) -> None:
        self.faults = tuple(faults)
        said = "; ".join(f"{'.'.join(map(str, fault.place))}: {fault.what}" for fault in self.faults)
        super().__init__(f"the format '{name}' cannot be used: {said}")


@dataclass(frozen=True, slots=True)
class _Variant:
    holds: Holds | None
    each: Get | None
    fields: Sequence[tuple[str, Get]]


class Mapped:
    """Reads records as its description says."""

    def __init__(
        self,
        name: str,
        about: About,
        read: Read,
        marks: Sequence[Sequence[bytes]],
        variants: Sequence[_Variant],
        paths: Sequence[str],
    ) -> None:
        self.name = name
        self.about = about
        self.read = read
        self.paths = frozenset(paths)
        self._marks = marks
        self._variants = variants

    def fits(self, record: bytes) -> bool:
        """Whether it holds the texts that the description names, or can be read where it names none."""
        if self._marks:
            return all(any(mark in record for mark in marks) for marks in self._marks)
        try:
            self.read(record)
        except RecordError:
            return False
        return True

    def parse(self, record: bytes) -> Sequence[AuditEvent]:
        """The events of one record."""
        return self.events(self.read(record))

    def events(self, tree: Mapping[str, Any]) -> Sequence[AuditEvent]:
        """The events of a record that was read; raises RecordError where one cannot be made."""
        made: list[AuditEvent] = []
        refused: RecordError | None = None
        for variant in self._variants:
            if variant.each is None:
                scopes: Sequence[Mapping[str, Any]] = (tree,)
            else:
                items = variant.each(tree)
                if isinstance(items, Mapping):
                    items = [items]
                scopes = [{**tree, "item": item} for item in items[:MOST]] if isinstance(items, list) else ()
            for scope in scopes:
                if variant.holds is not None and not variant.holds(scope):
                    continue
                try:
                    made.append(_event(variant.fields, scope))
                except RecordError as error:
                    refused = error
        if refused is not None:
            refused.events = made
            raise refused
        return made


def compile_mapping(name: str, tree: Any) -> Mapped:
    """A format from its description; raises MappingError with all faults at once."""
    compiler = Compiler()
    said = compiler.keys(tree, KEYS, ())
    zone = compiler.zone(said["zone"], ("zone",)) if "zone" in said else None
    known = compiler.faults
    compiler = Compiler(zone)
    compiler.faults = known
    read = _reader(compiler, said)
    if "within" in said:
        read = _within(read, compiler.field(ANY, {"path": said["within"]}, ("within",)))
    marks = _marks(compiler, said)
    shared = compiler.keys(said.get("fields", {}), _OWN, ("fields",))
    variants = [
        _variant(compiler, shared, each, ("events", at)) for at, each in enumerate(_list(compiler, said, "events"))
    ]
    if not variants:
        variants = [_Variant(None, None, _fields(compiler, shared, ("fields",)))]
    fields = {field for variant in variants for field, _ in variant.fields}
    about = About(
        title=_text(compiler, said, "title", name),
        versions=_text(compiler, said, "versions", "-"),
        fields=frozenset(fields | {"action", "bytes_quality"}),
        blind=_text(compiler, said, "blind", ""),
        sampled=said.get("sampled") is True or "sample_rate" in fields,
    )
    for needed in ("time", "server"):
        if needed not in fields:
            hint = "name its path, or say `time: received` where the source writes none"
            compiler.fault(
                ("fields",), f"{needed} is missing", hint if needed == "time" else "name its path or a const"
            )
    if not {"method", "kind"} & fields:
        compiler.fault(("fields",), "neither method nor kind is there", "name the path of the method, or a kind")
    if compiler.faults:
        raise MappingError(name, list(dict.fromkeys(compiler.faults)))
    return Mapped(name, about, read, marks, variants, compiler.paths)


def _event(fields: Sequence[tuple[str, Get]], tree: Mapping[str, Any]) -> AuditEvent:
    event = AuditEvent(time=UNTIMED, server="")
    for field, get in fields:
        value = get(tree)
        if value is not None:
            setattr(event, field, value)
        elif field == "time":
            raise RecordError("missing", "the record has no time", field="time", hint="look at the path of `time`")
    if not event.server:
        raise RecordError("missing", "the server is not named", field="server", hint="give `server` a default")
    if event.kind not in KINDS:
        event.kind = "other"
    if event.outcome is not None and event.outcome not in OUTCOMES:
        event.outcome = "other"
    if event.method is None and event.kind == "request":
        raise RecordError(
            "missing", "neither method nor kind is there", field="method", hint="use `when` to leave it out"
        )
    return complete(event)


def _variant(compiler: Compiler, shared: Mapping[str, Any], node: Any, place: Place) -> _Variant:
    said = compiler.keys(node, VARIANT, place)
    holds = compiler.condition(said["when"], (*place, "when")) if "when" in said else None
    each = compiler.field(ANY, {"path": said["each"]}, (*place, "each")) if "each" in said else None
    own = compiler.keys(said.get("fields", {}), _OWN, (*place, "fields"))
    merged = [*_fields(compiler, {k: v for k, v in shared.items() if k not in own}, ("fields",))]
    return _Variant(holds, each, [*merged, *_fields(compiler, own, (*place, "fields"))])


def _fields(compiler: Compiler, said: Mapping[str, Any], place: Place) -> list[tuple[str, Get]]:
    found = []
    for field, node in said.items():
        if node is None or field not in _OWN:
            continue
        if field == "time" and node == RECEIVED:
            found.append((field, lambda _: UNTIMED))
        else:
            found.append((field, compiler.field(field, node, (*place, field))))
    return found


def _reader(compiler: Compiler, said: Mapping[str, Any]) -> Read:
    node = said.get("record", "json")
    hint = f"one of {', '.join(RECORDS)}, or {{pattern: '(?P<time>…) …'}}"
    if isinstance(node, Mapping) and set(node) == {"pattern"} and isinstance(node["pattern"], str):
        try:
            return reader(node)
        except ValueError as error:
            compiler.fault(("record", "pattern"), f"no pattern of RE2: {error}", "RE2 has no look-around")
    elif node in RECORDS:
        return reader(node)
    else:
        compiler.fault(("record",), "not known", hint)
    return reader("json")


def _within(read: Read, get: Get) -> Read:
    """What stands in an envelope is read as if it stood beside it, whether there is one or not."""

    def unwrapped(record: bytes) -> dict[str, Any]:
        tree = read(record)
        inner = get(tree)
        return {**tree, **inner} if isinstance(inner, Mapping) else tree

    return unwrapped


def _marks(compiler: Compiler, said: Mapping[str, Any]) -> Sequence[Sequence[bytes]]:
    marks = []
    for at, each in enumerate(_list(compiler, said, "detect")):
        choices = each if isinstance(each, list) else [each]
        if not choices or not all(isinstance(choice, str) and choice for choice in choices):
            compiler.fault(("detect", at), "a text, or a list of texts of which one must be there, is expected")
        marks.append([str(choice).encode() for choice in choices])
    return marks


def _list(compiler: Compiler, said: Mapping[str, Any], key: str) -> Sequence[Any]:
    node = said.get(key, [])
    if not isinstance(node, list):
        compiler.fault((key,), "a list is expected")
        return ()
    return node


def _text(compiler: Compiler, said: Mapping[str, Any], key: str, default: str) -> str:
    node = said.get(key, default)
    if not isinstance(node, str):
        compiler.fault((key,), "a text is expected", f"write {key} in quotes")
        return default
    return " ".join(node.split())
