"""Lines that producers send, for the tests of the program."""

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from tocsin_audit.event import rfc3339

NOON: Final = 1_793_620_800.0
"""2026-11-02T12:00:00Z, a Monday."""

_NUMBERS = count()


def line(at: float, **said: Any) -> dict[str, Any]:
    """An ordinary call at a moment in seconds since the epoch, but for what is said; None takes a key away."""
    number = next(_NUMBERS)
    plain = {
        "time": rfc3339(at),
        "server": "crm",
        "method": "tools/call",
        "target": "find_customer",
        "outcome": "ok",
        "auth": "valid",
        "identity": "verified",
        "tenant": "acme",
        "user": "alice",
        "source_ip": "192.0.2.1",
        "rows": 3,
        "response_bytes": 700,
        "id": f"line-{number}",
    }
    return {key: value for key, value in {**plain, **said}.items() if value is not None}


def guesses(at: float, number: int = 40, **said: Any) -> list[dict[str, Any]]:
    """Wrong passwords for one account from one address, one a second."""
    wrong = {"outcome": "auth_invalid", "auth": "invalid", "reason": "bad password", "identity": "claimed"}
    attacker = {"user": "victim", "source_ip": "203.0.113.9", "rows": None, "response_bytes": None}
    return [line(at + second, **{**wrong, **attacker, **said}) for second in range(number)]


def ndjson(lines: Sequence[dict[str, Any] | str]) -> str:
    """Lines as a file holds them; text stands as it is."""
    return "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines)


def written(path: Path, lines: Sequence[dict[str, Any] | str]) -> Path:
    """A file of lines."""
    path.write_text(ndjson(lines))
    return path
