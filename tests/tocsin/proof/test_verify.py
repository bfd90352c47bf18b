"""`tocsin verify` finds the place where somebody changed the log."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import Result

from tests.tocsin.lines import NOON, line, written

Call = Callable[..., Result]


@pytest.fixture
def day(tocsin: Call) -> Path:
    """The file of a day's log with thirty frames."""
    written(Path("lines"), [line(NOON + 10 * number) for number in range(30)])
    assert tocsin("import", "lines", "--data", "data").exit_code == 0
    (path,) = Path("data/log").glob("*.sqlite")
    return path


@pytest.mark.parametrize(
    ("tampering", "place"),
    [
        ("UPDATE frames SET payload = X'00' || payload WHERE \"offset\" = 7", 7),
        ('UPDATE frames SET header = (SELECT header FROM frames WHERE "offset" = 8) WHERE "offset" = 9', 9),
        ('DELETE FROM frames WHERE "offset" = 11', 11),
        ('UPDATE frames SET chain = digest WHERE "offset" = 13', 13),
        ('UPDATE frames SET payload = NULL WHERE "offset" = 15', 15),
    ],
)
def test_a_change_is_told_with_its_place(tocsin: Call, day: Path, tampering: str, place: int) -> None:
    with closing(sqlite3.connect(day)) as connection, connection:
        assert connection.execute(tampering).rowcount == 1
    done = tocsin("verify", "--data", "data")
    assert done.exit_code == 1
    assert f"{day.name} at offset {place}: " in " ".join(done.stdout.split())
    told = json.loads(tocsin("verify", "--data", "data", "--json").stdout)
    assert not told["ok"]
    assert told["chains"][0]["fault"]["offset"] == place
    assert told["chains"][0]["frames"] == place


def test_a_file_that_is_no_database_any_more_is_told(tocsin: Call, day: Path) -> None:
    content = bytearray(day.read_bytes())
    content[:16] = b"not a database.."
    day.write_bytes(content)
    done = tocsin("verify", "--data", "data")
    assert done.exit_code == 1
    assert day.name in done.output
