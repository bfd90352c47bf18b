"""Options of plug-ins: configuration sections converted to what a detector or a sink declares, secrets read."""

from typing import Any

import msgspec
from pydantic import ValidationError

from tocsin.config import Loaded
from tocsin.config_base import Secret
from tocsin.faults import Fault, FaultsError, did_you_mean
from tocsin.yamlfile import Path_

SECRET_WORDS = ("key", "password", "secret", "token")


def convert_options(loaded: Loaded, path: Path_, given: dict[str, Any], kind: type[Any]) -> tuple[Any, list[Fault]]:
    """The options of a sink as its struct, and every fault found on the way.

    Where a value is `{file: …}` or `{env: …}` the secret is read; a secret written out is a fault.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    faults: list[Fault] = []
    good: dict[str, Any] = {}
    for key, value in given.items():
        if key not in fields:
            faults.append(loaded.fault((*path, key), "unknown key", did_you_mean(key, fields)))
            continue
        if isinstance(value, dict) and set(value) <= {"file", "env"} and value:
            try:
                value = _secret(loaded, value)
            except ValueError as error:
                faults.append(loaded.fault((*path, key), str(error)))
                continue
        elif any(word in key for word in SECRET_WORDS) and isinstance(value, str):
            hint = f"write {key}: {{env: NAME}} or {key}: {{file: PATH}}"
            faults.append(loaded.fault((*path, key), "secrets are not written into the configuration", hint))
            continue
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


def read_secret(loaded: Loaded, path: Path_, secret: Secret) -> str:
    """A secret of the configuration; raises FaultsError naming the place where it cannot be had."""
    try:
        return _resolve(loaded, secret).read()
    except ValueError as error:
        raise FaultsError([loaded.fault(path, str(error))]) from error


def _secret(loaded: Loaded, value: dict[str, Any]) -> str:
    try:
        return _resolve(loaded, Secret.model_validate(value)).read()
    except ValidationError as error:
        raise ValueError("a secret is {env: NAME} or {file: PATH}") from error


def _resolve(loaded: Loaded, secret: Secret) -> Secret:
    return secret if secret.file is None else Secret(file=loaded.path(secret.file), env=secret.env)
