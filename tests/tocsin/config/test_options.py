"""Options of plug-ins: secrets by reference alone, also those that a mapping holds, and paths from the folder."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from alerting.sink import PATH, SECRET
from tocsin.config.faults import Fault
from tocsin.config.options import convert_options
from tocsin.config.whole import parse_config


class Options(msgspec.Struct, forbid_unknown_fields=True):
    url: Annotated[str, msgspec.Meta(extra=SECRET)] = ""
    headers: Annotated[dict[str, str], msgspec.Meta(extra=SECRET)] = {}
    labels: dict[str, str] = {}
    password: str = ""
    ca: Annotated[str | None, msgspec.Meta(extra=PATH)] = None


def converted(base: Path, given: dict[str, Any]) -> tuple[Any, list[Fault]]:
    return convert_options(parse_config("", base=base), ("sinks", "one"), given, Options)


def test_references_are_read_wherever_they_may_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("Bearer x\n")
    monkeypatch.setenv("TOCSIN_TEST_SECRET", "y")
    reference = {"env": "TOCSIN_TEST_SECRET"}
    given = {"url": reference, "headers": {"Authorization": {"file": "a"}, "X-Key": reference}, "password": reference}
    options, faults = converted(tmp_path, {**given, "labels": {"site": "eu"}, "ca": "ca.pem"})
    assert faults == []
    assert (options.url, options.password) == ("y", "y")
    assert options.headers == {"Authorization": "Bearer x", "X-Key": "y"}
    assert options.labels == {"site": "eu"}
    assert options.ca == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"url": "slack://a/b"}, "not written into the configuration"),
        ({"headers": {"Authorization": "Bearer x"}}, "not written into the configuration"),
        ({"headers": {"Authorization": {"file": "nowhere"}}}, "cannot be read"),
        ({"headers": {"Authorization": {"path": "x"}}}, "a secret is"),
        ({"password": "x"}, "not written into the configuration"),
        ({"headers": 7}, "Expected `object`"),
    ],
)
def test_what_is_no_reference_is_a_fault(tmp_path: Path, given: dict[str, Any], says: str) -> None:
    options, faults = converted(tmp_path, given)
    assert options is None
    assert [says in fault.what for fault in faults] == [True], faults
