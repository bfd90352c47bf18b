"""Expressions and conditions of a mapped format, from what its YAML says to functions; every fault is kept."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from collector.mapping.records import pattern, search
from collector.mapping.value import (
    ANY,
    OBJECTS,
    Get,
    Holds,
    clock,
    converter,
    decoded,
    first,
    joined,
    matcher,
    path_getter,
    table,
    without,
)
from collector.parts.outcome import outcome_of
from collector.parts.values import text
from tocsin_audit.event import KINDS, OUTCOMES

Place = tuple[str | int, ...]

SOURCES: Final = ("path", "const", "join", "first", "outcome")
CHANGES: Final = ("match", "map", "default", "keep", "unit", "zone", "form", "strip", "split", "json", "when")
UNITS: Final = ("ns", "us", "ms", "s", "m", "h")
OUTCOME_KEYS: Final = ("status", "code", "error", "type", "failed", "credentials")
TESTS: Final = ("exists", "match", "not")


class MappingFault(NamedTuple):
    """One thing wrong in a mapping: where it stands in the YAML, what it is and what to do."""

    place: Place
    what: str
    hint: str = ""


class Compiler:
    """Makes functions of expressions; `faults` are those found so far, `paths` what the expressions read."""

    def __init__(self, zone: float | None = None) -> None:
        self.faults: list[MappingFault] = []
        self.paths: list[str] = []
        self._zone = zone

    def fault(self, place: Place, what: str, hint: str = "") -> None:
        """Keep a fault."""
        self.faults.append(MappingFault(place, what, hint))

    def keys(self, node: Any, known: Iterable[str], place: Place) -> Mapping[str, Any]:
        """A mapping with known keys only; what is not so is a fault."""
        if not isinstance(node, Mapping):
            self.fault(place, f"a mapping is expected, not {_shown(node)}", f"keys here: {', '.join(known)}")
            return {}
        names = list(known)
        for key in node:
            if key not in names:
                close = get_close_matches(str(key), names, n=1)
                hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(names)}"
                self.fault((*place, str(key)), "unknown key", hint)
        return node

    def field(self, field: str, node: Any, place: Place) -> Get:
        """The value of one field of the event, in its type."""
        if isinstance(node, list):
            if not node:
                self.fault(place, "an empty list", "name at least one path")
            return first([self.field(field, each, (*place, at)) for at, each in enumerate(node)])
        if field in OBJECTS and isinstance(node, Mapping) and not set(node) & {*SOURCES, *CHANGES}:
            return self._object(field, node, place)
        if isinstance(node, str):
            node = {"path": node}
        said = self.keys(node, (*SOURCES, *CHANGES), place)
        get = self._source(field, said, place)
        steps = self._steps(field, said, place)
        convert = self._typed(field, said, place)
        if "first" not in said:
            # The alternatives of `first` have done so already.
            steps.append(convert)
        holds = self.condition(said["when"], (*place, "when")) if "when" in said else None
        default = convert(said["default"]) if said.get("default") is not None else None

        def value(tree: Mapping[str, Any]) -> Any:
            if holds is not None and not holds(tree):
                return None
            found = get(tree)
            for step in steps:
                if found is None:
                    break
                found = step(found)
            return default if found is None else found

        return value

    def condition(self, node: Any, place: Place) -> Holds:
        """Whether everything said of a record holds: `{path: value, path: [values], path: {exists: true}}`."""
        if not isinstance(node, Mapping) or not node:
            self.fault(place, "a mapping of paths to values is expected", "when: {status: [401, 403]}")
            return lambda _: False
        tests = [(self._path(path, (*place, path)), self._test(said, (*place, path))) for path, said in node.items()]
        return lambda tree: all(test(get(tree)) for get, test in tests)

    def _object(self, field: str, node: Mapping[str, Any], place: Place) -> Get:
        parts = {str(key): self.field(ANY, each, (*place, str(key))) for key, each in node.items()}
        convert = converter(field)

        def value(tree: Mapping[str, Any]) -> Any:
            return convert({key: found for key, get in parts.items() if (found := get(tree)) not in (None, "")})

        return value

    def _source(self, field: str, said: Mapping[str, Any], place: Place) -> Get:
        chosen = [key for key in SOURCES if key in said]
        if len(chosen) != 1:
            what = "says no source" if not chosen else f"says {' and '.join(chosen)}"
            self.fault(place, what, f"exactly one of {', '.join(SOURCES)}")
            return lambda _: None
        key, node = chosen[0], said[chosen[0]]
        here = (*place, key)
        if key == "path":
            if isinstance(node, list):
                return first([self._path(each, (*here, at)) for at, each in enumerate(node)])
            return self._path(node, here)
        if key == "const":
            return self._const(field, node, here)
        if key == "outcome":
            return self._outcome(field, node, here)
        if not isinstance(node, list) or not node:
            self.fault(here, "a list is expected", f"{key}: [a.b, c.d]")
            return lambda _: None
        inner = field if key == "first" else "user"
        gets = [self.field(inner, each, (*here, at)) for at, each in enumerate(node)]
        return first(gets) if key == "first" else joined(gets)

    def _const(self, field: str, node: Any, place: Place) -> Get:
        if field == "kind" and node not in KINDS:
            self.fault(place, f"{_shown(node)} is no kind", f"one of {', '.join(sorted(KINDS))}")
        if field == "outcome" and node not in OUTCOMES:
            self.fault(place, f"{_shown(node)} is no outcome", f"one of {', '.join(sorted(OUTCOMES))}")
        if isinstance(node, Mapping | list):
            self.fault(place, "a constant is a text or a number")
        return lambda _: node

    def _outcome(self, field: str, node: Any, place: Place) -> Get:
        if field != "outcome":
            self.fault(place, f"not for {field}", "only the field `outcome` is made so")
        said = self.keys(node, OUTCOME_KEYS, place)
        parts = {key: self.field(ANY, said[key], (*place, key)) for key in OUTCOME_KEYS if key in said}

        def value(tree: Mapping[str, Any]) -> Any:
            found = {key: get(tree) for key, get in parts.items()}
            with_credentials = found.get("credentials") if "credentials" in found else True
            return outcome_of(
                status=found.get("status"),
                code=found.get("code"),
                error=found.get("error"),
                kind=found.get("type"),
                failed=_true(found.get("failed")),
                credentials=_true(with_credentials),
            )

        return value

    def _steps(self, field: str, said: Mapping[str, Any], place: Place) -> list[Callable[[Any], Any]]:
        steps: list[Callable[[Any], Any]] = []
        if "json" in said:
            inner = self._path(said["json"], (*place, "json"), keep=False)
            steps += [lambda value: decoded(value) if isinstance(value, str) else value, _inside(inner)]
        if "match" in said and (compiled := self._pattern(said["match"], (*place, "match"))) is not None:
            steps.append(matcher(compiled))
        if "strip" in said:
            prefixes = said["strip"] if isinstance(said["strip"], list) else [said["strip"]]
            steps.append(without([str(prefix) for prefix in prefixes]))
        if "map" in said:
            steps.append(self._table(field, said, place))
        return steps

    def _typed(self, field: str, said: Mapping[str, Any], place: Place) -> Callable[[Any], Any]:
        unit, form, split = said.get("unit", "ms"), said.get("form"), said.get("split")
        if unit not in UNITS:
            self.fault((*place, "unit"), f"{_shown(unit)} is no unit of time", f"one of {', '.join(UNITS)}")
            unit = "ms"
        zone = self.zone(said.get("zone"), (*place, "zone")) if "zone" in said else self._zone
        if form is not None:
            if field == "time" and isinstance(form, str) and "%" in form:
                return clock(form, zone)
            self.fault((*place, "form"), "a form is for `time`, with the letters of strptime", "form: '%d/%b/%Y %H:%M'")
        if split is not None and not isinstance(split, str):
            self.fault((*place, "split"), "a text is expected", "split: ','")
            split = None
        return converter(field, unit=unit, zone=zone, split=split)

    def _table(self, field: str, said: Mapping[str, Any], place: Place) -> Callable[[Any], Any]:
        node = said["map"]
        here = (*place, "map")
        if not isinstance(node, Mapping) or not node:
            self.fault(here, "a mapping of values is expected", "map: {allow: ok, deny: authz_denied}")
            return lambda _: None
        values = {_key(key): value for key, value in node.items()}
        if field in ("outcome", "kind"):
            for key, value in node.items():
                if value is not None:
                    self._const(field, value, (*here, _key(key)))
        return table(values, keep=said.get("keep") is True)

    def zone(self, node: Any, place: Place) -> float | None:
        """An offset in hours from `UTC`, `+02:00` or a number."""
        if node == "UTC":
            return 0.0
        if isinstance(node, int | float) and not isinstance(node, bool) and -24 < node < 24:
            return float(node)
        found = text(node, 6) if isinstance(node, str) else None
        if found is not None and len(found) == 6 and found[0] in "+-" and found[3] == ":":
            hours, minutes = found[1:3], found[4:]
            if hours.isdecimal() and minutes.isdecimal() and int(hours) < 24 and int(minutes) < 60:
                return (int(hours) + int(minutes) / 60) * (-1 if found[0] == "-" else 1)
        self.fault(place, f"{_shown(node)} is no zone", "UTC, or an offset such as +02:00")
        return None

    def _path(self, node: Any, place: Place, *, keep: bool = True) -> Get:
        if not isinstance(node, str) or not node or len(node) > 256 or "" in node.split("."):
            self.fault(place, f"{_shown(node)} is no path", "names joined by dots, such as actor.id")
            return lambda _: None
        if keep:
            self.paths.append(node)
        return path_getter(node)

    def _pattern(self, node: Any, place: Place) -> Any:
        try:
            return pattern(str(node))
        except ValueError as error:
            self.fault(place, f"no pattern of RE2: {error}", "RE2 has no look-around and no back-references")
            return None

    def _test(self, said: Any, place: Place) -> Callable[[Any], bool]:
        if isinstance(said, Mapping):
            self.keys(said, TESTS, place)
            if len(said) != 1:
                self.fault(place, "exactly one test is expected", f"one of {', '.join(TESTS)}")
                return lambda _: False
            ((kind, node),) = said.items()
            if kind == "exists":
                return lambda value: (value is not None) is (node is True)
            if kind == "not":
                inner = self._test(node, (*place, "not"))
                return lambda value: not inner(value)
            compiled = self._pattern(node, (*place, "match"))
            return lambda value: (
                compiled is not None
                and (found := text(value, 64 * 1024)) is not None
                and search(compiled, found) is not None
            )
        wanted = {_key(each).lower() for each in (said if isinstance(said, list) else [said])}

        def test(value: Any) -> bool:
            if isinstance(value, list):
                return any(_key(item).lower() in wanted for item in value[:1024])
            return value is not None and not isinstance(value, Mapping) and _key(value).lower() in wanted

        return test


def _inside(get: Get) -> Callable[[Any], Any]:
    return lambda value: get(value) if isinstance(value, Mapping) else None


def _key(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return text(value) or ""


def _true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() in ("true", "1", "yes")) or value == 1


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"
