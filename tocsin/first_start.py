"""The first start of a data directory: a collector key to begin with."""

import os
from pathlib import Path
from typing import Final

from collector.keys import FILE, create_key, list_keys

KEY_FILE: Final = "first-collector-key"


def first_key(data: Path, now: float) -> Path | None:
    """Where there is no collector key yet, make one for all tenants and put its text into a file for its owner alone.

    The file's path, or None where there were keys. Raises StorageError where it cannot be written.
    """
    if list_keys(data / FILE):
        return None
    _, text = create_key(data / FILE, now, note="made at the first start")
    path = data / KEY_FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    return path
