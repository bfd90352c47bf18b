"""The mapped formats that ship with Tocsin: one YAML file each."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from collector.mapping.mapped import Mapped, compile_mapping

FOLDER: Final = Path(__file__).parents[1] / "formats" / "mapped"


def mapped_names() -> frozenset[str]:
    """The names of all formats that are described here: the files' names."""
    return frozenset(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def load_mapped(name: str) -> Mapped:
    """A format that is described here; raises MappingError where its description is wrong."""
    tree: Any = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return compile_mapping(name, tree)
