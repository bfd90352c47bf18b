"""Every parser holds for a moment of fuzzing; `scripts/fuzz.sh SECONDS` takes longer."""

import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.collector.formats.cases import cases, names
from tests.fuzz.mutation import mutate, words
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import targets

ROOT = Path(__file__).parents[2]
ALL = targets()


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_target_takes_what_it_begins_with(name: str) -> None:
    for seed in (b"", b"\x00", b"{}", b"[" * 5000, b"\xff\xfe", *seeds(name).values()):
        ALL[name](seed)


FOUND = [
    ("container-lines", b"2026-11-21T10:00:00.000000\xb000Z stdout F text"),
    ("cloudevents", b'"x\x88y"'),
    ("mask", b"\xff token"),
    ("hec", b'{"event":"x","source":"\xd4"}'),
    (
        "admit",
        b'\n\x0c{"time":1795154400,"server":"s","method":"tools/call","ext":{"arguments":{"p`h":"..ox"},"result":"y"}}\n\x0b',
    ),
    (
        "kafka-record",
        b'{"received":1795154400.5,"count":1,"lines":[1]}\n{"time":1,"server":"s","method":"m"}\n{"time":1,"server":"s"}',
    ),
    (
        "frame",
        b'{"received":1795154400.5,"codec":"none","lines":[7]}\n{"time":1,"server":"s"}\n{"time":1,"server":"s"}',
    ),
    ("token", b'{}\n{"iss":"https://idp","sub":"a","exp":' + b"1" * 400 + b"}"),
]
"""What fuzzing found, so that it stays mended."""


@pytest.mark.parametrize(("name", "data"), FOUND, ids=[name for name, _ in FOUND])
def test_what_once_failed_is_taken(name: str, data: bytes) -> None:
    ALL[name](data)


@pytest.mark.parametrize("name", names())
def test_no_format_fails_with_the_samples_of_another(name: str) -> None:
    for case in cases(name):
        for target in ("format-auto", "otlp-traces", "hec", "cef", "syslog", "inspection"):
            ALL[target](case.record)


def test_every_target_begins_with_something() -> None:
    assert [name for name in ALL if not seeds(name)] == []


def test_a_change_of_json_is_json_elsewhere_changed() -> None:
    known, chance = words(), random.Random(1)
    before = b'data: {"id":1,"params":{"a":[1,{"b":null}]}}\nnot json'
    made = [mutate(before, 1 << 20, chance, known) for _ in range(200)]
    assert len(set(made)) > 100
    for data in made:
        assert data is not None
        line, rest = data.split(b"\n")
        assert rest == b"not json"
        assert isinstance(json.loads(line.removeprefix(b"data: ")), dict)
    assert mutate(b"not json", 1000, chance, known) is None
    assert mutate(before, 10, chance, known) is None, "longer than is wanted"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris cannot be installed on this platform")
@pytest.mark.parametrize("name", ["admit", "cef", "inspection", "otlp-traces", "syslog", "token"])
def test_a_parser_holds_for_a_moment(name: str, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for seed, data in seeds(name).items():
        (corpus / seed).write_bytes(data)
    program = [sys.executable, str(ROOT / "tests" / "fuzz" / "fuzz.py"), name, str(corpus)]
    done = subprocess.run(
        [*program, "-seed=1", "-runs=30000", "-max_total_time=4", "-timeout=60", "-max_len=4096"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
