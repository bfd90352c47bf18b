"""YAML with places: every value's line, duplicate keys refused, nothing but plain data."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tocsin.config.faults import Fault, FaultsError

Path_ = tuple[str | int, ...]


class Document(NamedTuple):
    """A YAML file as plain data, and the line of every key and item in it."""

    file: str
    tree: Any
    lines: dict[Path_, int]

    def line(self, path: Path_) -> int:
        """The line of a path, or of the nearest thing above it that the file has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def fault(self, path: Path_, what: str, hint: str = "") -> Fault:
        """A fault at a path of this file."""
        return Fault(self.file, self.line(path), dotted(path), what, hint)


def dotted(path: Path_) -> str:
    """A path as people write it: `sinks.pager.url`, `grants[2].until`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def read_yaml(path: Path) -> Document:
    """Read one YAML file.

    Raises FaultsError where it cannot be read, is not YAML, or says a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FaultsError([Fault(str(path), 0, "", "there is no such file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FaultsError([Fault(str(path), 0, "", f"cannot be read ({error})")]) from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, file: str) -> Document:
    """Parse YAML text; `file` is what faults call it. Raises FaultsError as `read_yaml` does."""
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        faults: list[Fault] = []
        lines: dict[Path_, int] = {}
        if node is not None:
            _walk(node, (), file, lines, faults)
        if faults:
            raise FaultsError(faults)
        tree = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise FaultsError([Fault(file, line, "", f"not YAML: {error.problem}")]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise FaultsError([Fault(file, 0, "", f"not YAML: {error}")]) from error
    finally:
        if loader is not None:
            loader.dispose()
    return Document(file, tree, lines)


def _walk(node: yaml.Node, path: Path_, file: str, lines: dict[Path_, int], faults: list[Fault]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key_node, value in node.value:
            key = (*path, str(key_node.value))
            line = key_node.start_mark.line + 1
            if key in lines:
                faults.append(Fault(file, line, dotted(key), f"said twice (first in line {lines[key]})"))
            lines[key] = line
            _walk(value, key, file, lines, faults)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), file, lines, faults)
