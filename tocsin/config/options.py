"""Options of plug-ins: configuration sections converted to what a detector or a sink declares, secrets read."""

from pathlib import Path
from typing import Any, Final, get_args

import msgspec
from pydantic import ValidationError

from tocsin.config.base import Secret
from tocsin.config.faults import Fault, FaultsError, did_you_mean
from tocsin.config.whole import Loaded
from tocsin.config.yamlfile import Path_

SECRET_WORDS: Final = ("key", "password", "secret", "token")
_REFERENCE: Final = frozenset({"file", "env"})
_WRITTEN_OUT: Final = "secrets are not written into the configuration"


def convert_options(loaded: Loaded, path: Path_, given: dict[str, Any], kind: type[Any]) -> tuple[Any, list[Fault]]:
    """The options of a plug-in as its struct, and every fault found on the way.

    Where a value is `{file: …}` or `{env: …}` the secret is read; a secret written out is a fault. In a mapping that is
    marked as secret, each value is such a reference.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    faults: list[Fault] = []
    good: dict[str, Any] = {}
    for key, value in given.items():
        if key not in fields:
            faults.append(loaded.fault((*path, key), "unknown key", did_you_mean(key, fields)))
            continue
        secret = is_secret(fields[key])
        if secret and isinstance(value, dict) and value and not set(value) <= _REFERENCE:
            value, wrong = _secrets(loaded, (*path, key), value)
            faults += wrong
            if wrong:
                continue
        elif isinstance(value, dict) and set(value) <= _REFERENCE and value:
            try:
                value = _secret(loaded, value)
            except ValueError as error:
                faults.append(loaded.fault((*path, key), str(error)))
                continue
        elif secret and isinstance(value, str):
            faults.append(loaded.fault((*path, key), _WRITTEN_OUT, _by_reference(key)))
            continue
        elif isinstance(value, str) and _marked(fields[key], "path"):
            value = str(loaded.path(Path(value).expanduser()))
        try:
            good[key] = msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError as error:
            faults.append(loaded.fault((*path, key), str(error)))
    faults += [
        loaded.fault(path, f"'{name}' is missing")
        for name, field in fields.items()
        if field.required and name not in given
    ]
    if faults:
        return None, faults
    try:
        return msgspec.convert(good, kind), []
    except (msgspec.ValidationError, ValueError) as error:
        return None, [loaded.fault(path, str(error))]


def is_secret(field: msgspec.structs.FieldInfo) -> bool:
    """Whether an option is only taken by reference: by its name, or by the mark that it bears."""
    return any(word in field.encode_name for word in SECRET_WORDS) or _marked(field, "secret")


def _marked(field: msgspec.structs.FieldInfo, mark: str) -> bool:
    metas = (meta for meta in get_args(field.type) if isinstance(meta, msgspec.Meta))
    return any((meta.extra or {}).get(mark) for meta in metas)


def read_secret(loaded: Loaded, path: Path_, secret: Secret) -> str:
    """A secret of the configuration; raises FaultsError naming the place where it cannot be had."""
    try:
        return loaded.secrets.learn(_resolve(loaded, secret).read())
    except ValueError as error:
        raise FaultsError([loaded.fault(path, str(error))]) from error


def _secrets(loaded: Loaded, path: Path_, values: dict[str, Any]) -> tuple[dict[str, str], list[Fault]]:
    """The values of a mapping of references, and what is wrong with them."""
    good: dict[str, str] = {}
    faults: list[Fault] = []
    for name, value in values.items():
        if not isinstance(value, dict):
            faults.append(loaded.fault((*path, name), _WRITTEN_OUT, _by_reference(name)))
            continue
        try:
            good[str(name)] = _secret(loaded, value)
        except ValueError as error:
            faults.append(loaded.fault((*path, name), str(error)))
    return good, faults


def _by_reference(key: str) -> str:
    return f"write {key}: {{env: NAME}} or {key}: {{file: PATH}}"


def _secret(loaded: Loaded, value: dict[str, Any]) -> str:
    try:
        return loaded.secrets.learn(_resolve(loaded, Secret.model_validate(value)).read())
    except ValidationError as error:
        raise ValueError("a secret is {env: NAME} or {file: PATH}") from error


def _resolve(loaded: Loaded, secret: Secret) -> Secret:
    return secret if secret.file is None else Secret(file=loaded.path(secret.file), env=secret.env)
