"""What the tests of the program share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stream.sqlite import SqliteLog, open_log
from tests.tocsin.program import Program
from tocsin.cli import app


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteLog]:
    """A new, empty log."""
    with open_log(tmp_path / "data", reserve_bytes=0) as log:
        yield log


@pytest.fixture
def tocsin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Calls a command in a folder of its own, as a shell would."""
    monkeypatch.chdir(tmp_path)
    for name in ("TOCSIN_URL", "TOCSIN_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words], prog_name="tocsin")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A running Tocsin that a module's tests share."""
    with Program(tmp_path_factory.mktemp("program")) as running:
        yield running.ready()
