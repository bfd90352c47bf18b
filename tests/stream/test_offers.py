"""One way to find what can be plugged in, for detectors, formats, inputs and sinks alike."""

from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from stream import offers
from stream.errors import ConfigError, UnavailableError
from stream.offers import Offers, modules_of


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offers:
    """A folder of two tools, one of which lacks a package and one of which is broken inside."""
    folder = tmp_path / "a_tool_box"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "hammer.py").write_text("TOOL = 'a hammer'\n")
    (folder / "drill.py").write_text("import not_there.at_all\n")
    (folder / "saw.py").write_text("import a_tool_box.blade\n")
    monkeypatch.syspath_prepend(tmp_path)
    package = ModuleType("a_tool_box")
    package.__path__ = [str(folder)]
    return Offers("tool", "tocsin.tools", "a_tool_box", "TOOL", modules_of(package))


def test_modules_and_offers_of_others_are_listed_together(tools: Offers, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("glue", "a_tool_box.hammer", "tocsin.tools")
    monkeypatch.setattr(offers, "entry_points", lambda group: [point] if group == "tocsin.tools" else [])
    assert tools.names() == ("drill", "glue", "hammer", "saw")
    assert tools.load("glue") == tools.load("hammer") == "a hammer"


def test_an_unknown_name_is_answered_with_all_that_there_are(tools: Offers) -> None:
    with pytest.raises(ConfigError, match="no tool 'hamer'") as caught:
        tools.load("hamer")
    assert caught.value.hint == "there are drill, hammer, saw"


def test_a_missing_package_is_named_and_a_fault_of_ours_is_not_taken_for_one(tools: Offers) -> None:
    with pytest.raises(UnavailableError) as caught:
        tools.load("drill")
    assert caught.value.hint == "pip install not-there"
    with pytest.raises(ModuleNotFoundError):
        tools.load("saw")
