"""One tiny simulated corpus for all tests that only look at it."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml

from tocsin.evaluation.span import lines_of
from tocsin.simulation import Summary, simulate
from tocsin_audit.event import DECODER, AuditEvent, normalise


class Written(NamedTuple):
    """A corpus as it stands on disk."""

    summary: Summary
    events: list[AuditEvent]
    truth: dict[str, Any]
    directory: dict[str, Any]


def read_back(summary: Summary) -> Written:
    lines = lines_of(summary.out / "events.ndjson.zst")
    return Written(
        summary,
        [normalise(DECODER.decode(line)) for line in lines],
        msgspec.json.decode((summary.out / "truth.json").read_bytes()),
        yaml.safe_load((summary.out / "directory.yaml").read_text()),
    )


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Written:
    out: Path = tmp_path_factory.mktemp("corpus")
    return read_back(simulate(5, None, out, preset="tiny"))
