"""The first start of a data directory: its secrets, and a collector key to begin with."""

import os
import secrets
from pathlib import Path
from typing import Final

from collector.keys import FILE, create_key, list_keys
from stream.errors import StorageError

KEY_FILE: Final = "first-collector-key"


def first_key(data: Path, now: float) -> Path | None:
    """Where there is no collector key yet, make one for all tenants and put its text into a file for its owner alone.

    The file's path, or None where there were keys. Raises StorageError where it cannot be written.
    """
    if list_keys(data / FILE):
        return None
    _, text = create_key(data / FILE, now, note="made at the first start")
    return _write(data / KEY_FILE, text)


def kept_secret(path: Path) -> str:
    """The random secret in a file, made at the first start and readable by its owner alone.

    Raises StorageError where it can be neither read nor made, or is empty.
    """
    try:
        if not path.exists():
            _write(path, secrets.token_urlsafe(32))
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, f"cannot be read ({error})") from error
    if not text:
        raise _unusable(path, "is empty")
    return text


def _write(path: Path, text: str) -> Path:
    """Write a file for its owner alone as a whole: a crash leaves all of it or nothing."""
    part = path.with_name(f"{path.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StorageError(f"cannot be written ({error.strerror})", where=str(path)) from error
    return path


def _unusable(path: Path, what: str) -> StorageError:
    hint = "restore it from a backup; without it remove it, and state.sqlite if this is the entity key"
    return StorageError(f"the secret {what}", where=str(path), hint=hint)
