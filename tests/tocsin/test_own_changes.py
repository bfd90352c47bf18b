"""Changes of Tocsin's own files are events of the server `tocsin`, whether it ran meanwhile or not."""

import json
from pathlib import Path
from typing import Any

from collector.keys import FILE as KEYS
from collector.keys import create_key
from tests.tocsin.program import Program, until
from tocsin.access.operators import FILE as OPERATORS
from tocsin.access.operators import add_user
from tocsin.access.passwords import hash_password

SETTINGS = {"ledger": {"seal_seconds": 0.2}}


def changes(program: Program) -> list[dict[str, Any]]:
    """Every event that tells of a change of Tocsin's own."""
    found = program.get("/events", since="1h")["events"]
    return [event for event in found if event["server"] == "tocsin" and event["kind"] == "config"]


def test_a_change_is_an_event_at_once_or_at_the_next_start(tmp_path: Path) -> None:
    with Program(tmp_path / "own", SETTINGS) as program:
        program.ready()
        until(lambda: program.get("/status")["ledger"]["seals"] > 0, "the files as they are were noted")
        assert changes(program) == [], "the first start changes nothing"
        create_key(program.data / KEYS, 1.0)
        (seen,) = until(lambda: changes(program), "the change was noticed")
        assert seen["target"] == "collector keys"
        assert seen["change"]["action"] == "update"
        assert seen["change"]["before"] != seen["change"]["after"]
        assert program.stop() == 0
    add_user(
        program.data / OPERATORS, 1.0, "eve", "administrator", tenants=(), everything=True,
        password=hash_password("correct horse battery"),
    )  # fmt: skip
    with Program(tmp_path / "own") as again:
        again.ready()
        found = until(lambda: [one for one in changes(again) if one["target"] == "operators"], "it was noticed")
        assert [one["change"]["action"] for one in found] == ["create"]
        assert "correct horse" not in json.dumps(changes(again))
        assert len(changes(again)) == 2
        assert again.stop() == 0
