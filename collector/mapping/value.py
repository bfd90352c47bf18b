"""One value of a mapped format: where it stands in the record and what becomes of it on the way into an event."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import msgspec

from collector.mapping.records import search
from collector.parts.values import (
    address,
    integer,
    join,
    milliseconds,
    moment,
    moment_of,
    name,
    number,
    session_of,
    size,
    text,
    texts,
    wire_object,
)
from tocsin_audit.arguments import keys

Tree = Mapping[str, Any]
Get = Callable[[Tree], Any]
Holds = Callable[[Tree], bool]

ANY: Final = "any"
"""A value that stays as it is, for what is made of several."""
OBJECTS: Final = ("change", "ext", "manifest")
LISTS: Final = (
    *("on_behalf_of", "resource_tenants", "data_classes", "scopes", "args_keys", "recipients", "signals"),
    *("handles_presented", "handles_minted"),
)
NAMES: Final = ("user", "client", "agent", "tenant", "token", "producer", "run", "server")
SIZES: Final = ("request_bytes", "response_bytes", "rows")
NUMBERS: Final = ("token_ttl_s", "token_age_s", "sample_rate")


def path_getter(path: str) -> Get:
    """What stands at a path such as `actor.id`; where a key itself has dots it is found too.

    `0` is the first item of a list and `*` each one of them; `@json` goes on inside a text that is JSON.
    """
    parts = path.split(".")
    rests = [".".join(parts[at:]) for at in range(len(parts))]
    last = len(parts) - 1

    def walk(node: Any, at: int) -> Any:
        while True:
            if isinstance(node, Mapping):
                if rests[at] in node:
                    return node[rests[at]]
                node = node.get(parts[at])
            elif isinstance(node, list):
                if parts[at] == "*":
                    items = node[:1024]
                    return items if at == last else [walk(item, at + 1) for item in items]
                place = int(parts[at]) if parts[at].isdecimal() else -1
                node = node[place] if 0 <= place < len(node) else None
            elif parts[at] == "@json" and isinstance(node, str):
                node = decoded(node)
            else:
                return None
            if at == last or node is None:
                return node
            at += 1

    if last == 0:
        return lambda tree: tree.get(path)
    return lambda tree: walk(tree, 0)


def decoded(value: str) -> Any:
    """A text that is JSON, decoded; null where it is none or was cut."""
    if len(value) > 256 * 1024 or value.count("[") + value.count("{") > 4096:
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def matcher(compiled: Any) -> Callable[[Any], Any]:
    """What a pattern's group `value`, else its first group, catches in a text."""
    group = "value" if "value" in compiled.groupindex else 1 if compiled.groups else 0

    def catch(value: Any) -> Any:
        found = text(value, 64 * 1024)
        match = search(compiled, found) if found is not None else None
        return match.group(group) if match is not None else None

    return catch


def table(values: Mapping[str, Any], *, keep: bool) -> Callable[[Any], Any]:
    """Look a value up by its text, whatever the case; what is not there is null, or kept."""
    lowered = {key.lower(): value for key, value in values.items()}

    def look(value: Any) -> Any:
        key = text(value) if not isinstance(value, bool) else str(value)
        if key is None:
            return None
        return lowered.get(key.lower(), value if keep else None)

    return look


def clock(form: str, zone: float | None) -> Callable[[Any], float]:
    """A time in a form of `strptime`; in `zone` (hours) where the form has none."""

    def read(value: Any) -> float:
        if not isinstance(value, str) or len(value) > 64:
            return moment(None)
        try:
            found = datetime.strptime(value.strip(), form)  # noqa: DTZ007  # the zone is added below where there is none
        except ValueError:
            return moment(f"{value[:60]} (not like {form})")
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC if zone is None else timezone(timedelta(hours=zone)))
        return moment_of(found)

    return read


def without(prefixes: Sequence[str]) -> Callable[[Any], Any]:
    """A text without the first of some prefixes that it begins with."""

    def strip(value: Any) -> Any:
        if isinstance(value, str):
            for prefix in prefixes:
                if value.startswith(prefix) and len(value) > len(prefix):
                    return value[len(prefix) :]
        return value

    return strip


def joined(gets: Sequence[Get]) -> Get:
    """Names joined by bars, the last one being the subject."""
    return lambda tree: join(*(get(tree) for get in gets))


def first(gets: Sequence[Get]) -> Get:
    """The first that is not null."""

    def get(tree: Tree) -> Any:
        for each in gets:
            if (found := each(tree)) is not None and found != "" and found != "-":
                return found
        return None

    return get


def argument_names(value: Any) -> tuple[str, ...]:
    """The names of arguments, from an object, its JSON, or a list of names; none where the JSON was cut."""
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        value = decoded(value)
    return keys(value) if isinstance(value, dict) else texts(value, ",")


def converter(
    field: str, *, unit: str = "ms", zone: float | None = None, split: str | None = None
) -> Callable[[Any], Any]:
    """How a field of the event takes a value that stands in a record."""
    if field == ANY:
        return lambda value: value
    if field == "time":
        return lambda value: None if value is None else moment(value, zone)
    if field == "duration_ms":
        return lambda value: milliseconds(value, unit)
    if field in SIZES:
        return size
    if field == "seq":
        return integer
    if field in NUMBERS:
        return number
    if field == "args_keys":
        return argument_names
    if field in LISTS:
        return lambda value: texts(value, split)
    if field == "audience":
        return lambda value: texts(value, split) or None if isinstance(value, list) else name(value)
    if field == "source_ip":
        return address
    if field == "session":
        return session_of
    if field == "error_code":
        return lambda value: found if (found := integer(value)) is not None else text(value, 128)
    if field in OBJECTS:
        return lambda value: wire_object(value) if value else None
    return name if field in NAMES else text
