"""The directory file: `directory.yaml` read, checked entry by entry, and watched for changes."""

from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import msgspec

from stream.directory import Directory
from tocsin.config.faults import Fault, FaultsError, did_you_mean
from tocsin.config.yamlfile import Document, Path_, parse_yaml

_SECTIONS = {field.name: field for field in msgspec.structs.fields(Directory)}
_NAMED = ("user", "client", "agent", "role")


def read_directory(path: Path) -> tuple[Directory, str]:
    """A directory and the SHA-256 of its file.

    Raises FaultsError with every fault of the file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FaultsError([Fault(str(path), 0, "", f"the directory cannot be read ({error.strerror})")]) from error
    return parse_directory(content.decode("utf-8", "replace"), str(path)), sha256(content).hexdigest()


def parse_directory(text: str, file: str) -> Directory:
    """A directory from YAML text; raises FaultsError with every fault in it."""
    document = parse_yaml(text, file)
    tree = document.tree or {}
    if not isinstance(tree, dict):
        raise FaultsError([document.fault((), "a directory is a mapping", "see the example in the documentation")])
    faults: list[Fault] = []
    good: dict[str, Any] = {}
    for name, value in tree.items():
        if name not in _SECTIONS:
            faults.append(document.fault((str(name),), "unknown section", did_you_mean(str(name), _SECTIONS)))
        elif name == "tenants":
            good[name] = _mapping(document, name, value, faults)
        else:
            good[name] = _sequence(document, name, value, faults)
    if faults:
        raise FaultsError(faults)
    return Directory(**good)


def _mapping(document: Document, section: str, value: Any, faults: list[Fault]) -> dict[str, Any]:
    if not isinstance(value, dict):
        faults.append(document.fault((section,), "a mapping of name to facts is needed", f"{section}: {{acme: {{}}}}"))
        return {}
    kind = get_args(_SECTIONS[section].type)[1]
    return {
        str(name): _entry(document, (section, str(name)), entry if entry is not None else {}, kind, faults)
        for name, entry in value.items()
    }


def _sequence(document: Document, section: str, value: Any, faults: list[Fault]) -> tuple[Any, ...]:
    if not isinstance(value, list):
        faults.append(document.fault((section,), "a list is needed", f"{section}: [{{…}}, {{…}}]"))
        return ()
    kind = get_args(_SECTIONS[section].type)[0]
    return tuple(_entry(document, (section, index), entry, kind, faults) for index, entry in enumerate(value))


def _entry(document: Document, path: Path_, entry: Any, kind: type, faults: list[Fault]) -> Any:
    if not isinstance(entry, dict):
        faults.append(document.fault(path, "a mapping is needed"))
        return None
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    before = len(faults)
    for key, value in entry.items():
        if key not in fields:
            faults.append(document.fault((*path, str(key)), "unknown key", did_you_mean(str(key), fields)))
            continue
        try:
            msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError as error:
            hint = "write the time with its zone: 2026-11-01T08:00:00Z" if "datetime" in str(error) else ""
            faults.append(document.fault((*path, key), str(error), hint))
    missing = [name for name, field in fields.items() if field.required and name not in entry]
    faults += [document.fault(path, f"'{name}' is missing") for name in missing]
    faults += [document.fault(path, what, hint) for what, hint in _sense(path[0], entry)]
    return msgspec.convert(entry, kind) if len(faults) == before else None


def _sense(section: str | int, entry: dict[str, Any]) -> list[tuple[str, str]]:
    """What the types cannot say: who is meant, and that a stretch of time ends after it starts."""
    wrong: list[tuple[str, str]] = []
    if section in ("principals", "grants") and not any(entry.get(name) for name in _NAMED):
        wrong.append(("names nobody", "say user, client, agent" + (" or role" if section == "grants" else "")))
    if section == "ownership":
        ways = [way for way in ("uri", "argument", "result", "header") if entry.get(way)]
        if len(ways) != 1:
            wrong.append(("reads the owner from exactly one of uri, argument, result and header", ""))
        if "uri" in ways and "{tenant}" not in str(entry["uri"]):
            wrong.append(("the uri has no {tenant} in it", 'for example uri: "crm://{tenant}/**"'))
    start, end = entry.get("from"), entry.get("until")
    if start is not None and end is not None and not isinstance(start, str) and not isinstance(end, str):
        try:
            if end <= start:
                wrong.append(("ends before it starts", ""))
        except TypeError:
            wrong.append(("from and until are not of one kind", "write both with their zone"))
    return wrong
