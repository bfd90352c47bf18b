"""The format that an operator names: one that ships, `auto`, or a description of his own in a YAML file."""

from pathlib import Path
from typing import Final

from collector.discovery import load_format
from collector.format import Format
from collector.mapping.mapped import MappingError, compile_mapping
from tocsin.config.faults import FaultsError
from tocsin.config.yamlfile import read_yaml

SUFFIXES: Final = (".yaml", ".yml")


def choose_format(said: str) -> Format:
    """The format of a name, or of a YAML file that is named by its path.

    Raises ConfigError where there is none of that name, FaultsError with every fault of a file at once.
    """
    path = Path(said)
    if path.suffix not in SUFFIXES:
        return load_format(said)
    document = read_yaml(path)
    try:
        return compile_mapping(path.stem, document.tree)
    except MappingError as error:
        raise FaultsError([document.fault(fault.place, fault.what, fault.hint) for fault in error.faults]) from error
