"""What Tocsin is made of: named with hashes, built the same twice, and without secrets in the repository."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.sbom import bill
from scripts.secret_scan import found
from tests.house import ROOT

LOCK = (ROOT / "requirements.lock").read_text()


def test_the_bill_names_everything_that_is_locked_with_its_hashes() -> None:
    told = json.loads(bill(LOCK, "1.0"))
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    locked = {line.partition(" ")[0] for line in LOCK.splitlines() if "==" in line}
    assert {f"{one['name']}=={one['version']}" for one in told["components"]} == locked
    assert all(one["hashes"] and one["purl"].startswith("pkg:pypi/") for one in told["components"])
    assert told["metadata"]["component"]["name"] == "tocsin"


def test_one_lock_gives_one_bill() -> None:
    assert bill(LOCK, "1.0") == bill(LOCK, "1.0")
    assert bill(LOCK, "1.0") != bill(LOCK, "1.1")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("tcs_" + "0" * 10 + "_" + "a" * 48, "Tocsin"),
        ("x = 'AKIA" + "A" * 16 + "'", "AWS"),
        ("-----BEGIN EC PRIVATE " + "KEY-----\nMHcCAQEEIIGlVmYxYhVvYhVv", "private key"),
        ("postgresql://tocsin:" + "correct-horse" + "@db/tocsin", "password"),
        ("ghp_" + "a" * 36, "GitHub"),
    ],
)
def test_a_secret_is_found_and_told_by_its_line(text: str, kind: str) -> None:
    ((number, said),) = found(f"one\n{text}\n")
    assert number == 2
    assert kind in said
    assert list(found(text.replace("\n", "  # not a secret: an example\n", 1) + "  # not a secret: an example")) == []


@pytest.mark.parametrize(
    "text", ["tcs_…", "postgresql://user@host/name", "http://127.0.0.1:8642/x@y", "AKIA", "tct_a_b"]
)
def test_what_is_none_is_left_alone(text: str) -> None:
    assert list(found(text)) == []


def test_the_repository_holds_no_secret() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.secret_scan"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("project", [".", "audit"])
def test_a_wheel_is_the_same_bytes_when_it_is_built_again(project: str, tmp_path: Path) -> None:
    digests = []
    for number, zone in enumerate(("UTC", "Asia/Tokyo")):
        out = tmp_path / str(number)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
        environment = {**os.environ, "TZ": zone, "PYTHONHASHSEED": str(number), "SOURCE_DATE_EPOCH": "1795219200"}
        done = subprocess.run(build, cwd=ROOT / project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (wheel,) = out.glob("*.whl")
        digests.append(hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert digests[0] == digests[1]
