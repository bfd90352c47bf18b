"""Every format is found by its module's name and keeps the contract."""

import msgspec
import pytest

from collector.discovery import format_names, load_format
from collector.format import Format, RecordError
from stream.errors import ConfigError


def test_the_native_format_is_there() -> None:
    assert "native" in format_names()


@pytest.mark.parametrize("name", format_names())
def test_a_format_has_its_modules_name_and_names_why_a_record_cannot_be_used(name: str) -> None:
    form = load_format(name)
    assert form.name == name
    for record in (b"", b"\xff\x00", b"{", b"[" * 100_000, msgspec.json.encode({"time": 0})):
        assert refusal(form, record) != ""


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no format") as caught:
        load_format("nonesuch")
    assert "native" in caught.value.hint


def refusal(form: Format, record: bytes) -> str | None:
    """Why a format does not take a record; None where it does."""
    try:
        form.parse(record)
    except RecordError as error:
        return error.what and error.reason
    return None
