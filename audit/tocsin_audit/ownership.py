"""Ownership: which tenants own what was asked for and what was returned, by the operator's rules."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from tocsin_audit.path import Step, parse, walk
from tocsin_audit.text import clean

MOST_OWNERS: Final = 256
"""How many distinct owners one event names."""

_MOST_PATTERN: Final = 200
_MOST_SUBJECT: Final = 256
_MOST_URI: Final = 1024
_MOST_REPEATS: Final = 3
_MOST_CHOICES: Final = 8


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One rule of the directory: one of `uri`, `argument`, `result` and `header` says where the owner stands."""

    server: str | None = None
    uri: str | None = None
    argument: str | None = None
    result: str | None = None
    header: str | None = None
    match: str | None = None


class Ownership:
    """The rules of one server, compiled; a rule that cannot be used is named in `faults` and left out."""

    def __init__(self, rules: Iterable[Any] = (), server: str | None = None) -> None:
        self.faults: list[str] = []
        self._uris: list[re.Pattern[str]] = []
        self._arguments: list[tuple[tuple[Step, ...], re.Pattern[str] | None]] = []
        self._results: list[tuple[tuple[Step, ...], re.Pattern[str] | None]] = []
        self._headers: list[tuple[str, re.Pattern[str] | None]] = []
        for given in rules:
            try:
                rule = given if isinstance(given, Rule) else msgspec.convert(given, Rule)
                if rule.server is None or server is None or rule.server == server:
                    self._add(rule)
            except (ValueError, re.error) as error:
                self.faults.append(f"ownership rule {clean(repr(given), 120)}: {error}")

    def _add(self, rule: Rule) -> None:
        if sum(source is not None for source in (rule.uri, rule.argument, rule.result, rule.header)) != 1:
            raise ValueError("say exactly one of uri, argument, result and header")
        match = pattern(rule.match) if rule.match is not None else None
        if rule.uri is not None:
            if match is not None:
                raise ValueError("a uri rule takes its tenant from {tenant}, not from match")
            self._uris.append(uri_pattern(rule.uri))
        elif rule.argument is not None:
            self._arguments.append((parse(rule.argument), match))
        elif rule.result is not None:
            self._results.append((parse(rule.result), match))
        elif rule.header is not None:
            self._headers.append((rule.header.lower(), match))

    @property
    def reads_results(self) -> bool:
        """Whether any rule looks into results."""
        return bool(self._results)

    def asked(self, target: str | None, arguments: Any, headers: Mapping[str, str]) -> set[str]:
        """The owners of what a request names in its URI, its arguments and its `Mcp-Param-*` headers."""
        owners: set[str] = set()
        if target is not None and len(target) <= _MOST_URI:
            for template in self._uris:
                if (found := template.match(target)) is not None:
                    _add_owner(owners, found["tenant"], None)
                    break
        for steps, match in self._arguments:
            for value in walk(arguments, steps):
                for item in value if isinstance(value, list) else (value,):
                    _add_owner(owners, item, match)
        for name, match in self._headers:
            if (text := headers.get(name)) is not None:
                _add_owner(owners, header_text(text), match)
        return owners

    def returned(self, payload: Any) -> set[str]:
        """The owners of what a result holds; the distinct ones, however many rows repeat them."""
        owners: set[str] = set()
        for steps, match in self._results:
            try:
                distinct = set(walk(payload, steps))
            except TypeError:  # a list or an object stands where an owner should
                distinct = {value for value in walk(payload, steps) if isinstance(value, str | int)}
            for value in distinct:
                _add_owner(owners, value, match)
                if len(owners) >= MOST_OWNERS:
                    return owners
        return owners


def _add_owner(owners: set[str], value: Any, match: re.Pattern[str] | None) -> None:
    if isinstance(value, bool) or not isinstance(value, str | int) or len(owners) >= MOST_OWNERS:
        return
    text = str(value)
    if match is not None:
        found = match.search(text[:_MOST_SUBJECT])
        text = (found["tenant"] or "") if found is not None else ""
    if (owner := clean(text, 128)) is not None:
        owners.add(owner)


def header_text(value: str) -> str:
    """The value of an MCP header, which may be wrapped as `=?base64?…?=`."""
    if value.startswith("=?base64?") and value.endswith("?="):
        try:
            return base64.b64decode(value[9:-2], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return value
    return value


def uri_pattern(template: str) -> re.Pattern[str]:
    """A URI template as a pattern: `{tenant}` is one segment, `*` stays within a segment, `**` crosses them.

    Raises ValueError without exactly one `{tenant}` or with more than three wildcards.
    """
    parts = re.split(r"(\{tenant\}|\*\*|\*)", template)
    wild = parts[1::2]
    if wild.count("{tenant}") != 1 or len(wild) > _MOST_REPEATS + 1 or len(template) > _MOST_PATTERN:
        raise ValueError(f"a uri needs exactly one {{tenant}} and at most {_MOST_REPEATS} wildcards")
    meanings = {"{tenant}": r"(?P<tenant>[^/?#]+)", "**": ".*", "*": "[^/]*"}
    return re.compile("".join(meanings.get(part, re.escape(part)) for part in parts) + r"\Z")


def pattern(text: str) -> re.Pattern[str]:
    """A `match` expression whose time stays bounded on any input.

    Python's engine backtracks, so repeated groups, back-references, more than three repeats and more than eight choices
    are refused, and only the first 256 characters of a value are looked at. Raises ValueError or re.error.
    """
    if len(text) > _MOST_PATTERN:
        raise ValueError(f"match is longer than {_MOST_PATTERN} characters")
    compiled = re.compile(text)
    if "tenant" not in compiled.groupindex:
        raise ValueError("match needs a group named tenant: (?P<tenant>…)")
    if re.search(r"\\[1-9]|\(\?P=|\(\?\(", text):
        raise ValueError("match uses a back-reference, which can take for ever")
    _refuse_unbounded(text)
    return compiled


_TOKEN: Final = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:P<\w+>|[:=!]|<[=!])|[()*+?|]|\{\d*,?\d*\}|.", re.DOTALL
)


def _refuse_unbounded(text: str) -> None:
    repeats = choices = 0
    before = ""
    for token in _TOKEN.findall(text):
        if token in ("?", "|"):
            choices += 1
        elif token in ("*", "+") or (token[0] == "{" and len(token) > 1):
            if before == ")":
                raise ValueError("match repeats a group, which can take for ever; repeat a character class instead")
            repeats += 1
        before = token
    if repeats > _MOST_REPEATS or choices > _MOST_CHOICES:
        raise ValueError(f"match has more than {_MOST_REPEATS} repeats or {_MOST_CHOICES} choices")
