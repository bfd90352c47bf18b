"""How tables, types and values read on a page of the documentation."""

import ast
import inspect
import json
import textwrap
import types
import typing
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from tocsin.config.base import Secret

REFERENCE: Final = "[reference](#references)"
TYPES: Final[dict[Any, str]] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Path: "path",
    date: "date",
    datetime: "RFC 3339 text",
    Secret: REFERENCE,
    msgspec.Raw: "JSON",
}


def meanings(kind: type[Any]) -> dict[str, str]:
    """The string under each field of a class and of its bases; ends the program where one is missing."""
    own = [each for each in reversed(kind.__mro__) if each.__module__.partition(".")[0] not in ("builtins", "msgspec")]
    return {name: text for each in own for name, text in _meanings(each).items()}


def _meanings(kind: type[Any]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, after in zip(definition.body, definition.body[1:], strict=False):
        match field, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = text
            case ast.AnnAssign(target=ast.Name(id=name)), _:
                raise SystemExit(f"docs: {kind.__name__}.{name} has no meaning under it")
    return found


def type_text(annotation: Any) -> str:
    """A type in an operator's words."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_text(inner[0])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin in (typing.Union, types.UnionType):
        kinds = [type_text(kind) for kind in inner if kind is not type(None)]
        return " or ".join(kind for kind in dict.fromkeys(kinds) if kind != TYPES[int] or TYPES[float] not in kinds)
    if origin in (tuple, list):
        return f"list of {type_text(inner[0])}"
    if origin is dict:
        return "mapping by name"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in TYPES:
        return "mapping"
    return TYPES[annotation]


def value_text(value: Any) -> str:
    """A default; a dash where there is none."""
    if value is None or value == {}:
        return "-"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value if isinstance(value, str | Path) else json.dumps(value)}`"


def doc(kind: type[Any]) -> str:
    """The docstring of a class."""
    return inspect.getdoc(kind) or ""


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars in its cells are escaped."""
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in (" | ".join(heading), " | ".join(["---"] * len(heading)), *lines))


def codes(words: Iterable[str]) -> str:
    """Words in code type, separated by commas."""
    return ", ".join(f"`{word}`" for word in words)


def number(value: float) -> str:
    """A number without an exponent or empty decimals."""
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def duration(seconds: int) -> str:
    """Seconds in the largest unit that fits."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}{'s' * (seconds > length)}"
    return f"{seconds} s"
