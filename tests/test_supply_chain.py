"""What Tocsin is made of: named with hashes, built the same twice, and without secrets in the repository."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from scripts import audit
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


class _Osv(BaseHTTPRequestHandler):
    """The API of OSV made small: it knows of one weakness, in one version of one package."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, version = asked["package"]["name"], asked["version"]
        found = [
            {
                "id": "GHSA-test",
                "modified": "2026-01-01T00:00:00Z",
                "aliases": ["CVE-2026-0001"],
                "details": "made for this test",
                "affected": [
                    {
                        "package": {"name": "idna", "ecosystem": "PyPI", "purl": "pkg:pypi/idna"},
                        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.8"}]}],
                        "versions": ["3.7"],
                    }
                ],
            }
        ]
        body = json.dumps({"vulns": found} if (name, version) == ("idna", "3.7") else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def osv(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Osv)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", f"http://127.0.0.1:{server.server_address[1]}/v1/query")
    monkeypatch.delenv("TOCSIN_AUDIT", raising=False)
    yield
    server.shutdown()
    server.server_close()


def _locked(*named: str) -> str:
    return "".join(f"{one} \\\n    --hash=sha256:{'a' * 64}\n" for one in named)


@pytest.mark.usefixtures("osv")
def test_a_published_weakness_of_what_is_locked_fails_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(_locked("anyio==4.0.0", "idna==3.7")) == 1
    told = capsys.readouterr().err
    assert told.splitlines() == ["supply chain: idna 3.7: CVE-2026-0001 (mended in 3.8)"]
    assert audit.main(_locked("anyio==4.0.0", "idna==3.8")) == 0
    assert capsys.readouterr().err == ""


def test_where_nobody_can_be_asked_it_says_so_and_fails_only_where_that_is_required(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", "http://127.0.0.1:9/v1/query")
    monkeypatch.delenv("TOCSIN_AUDIT", raising=False)
    assert audit.main(_locked("anyio==4.0.0", "idna==3.7")) == 0
    told = capsys.readouterr().err
    assert "nobody could be asked about weaknesses of 2 packages (anyio, idna" in told
    assert "TOCSIN_AUDIT=required makes this a failure" in told
    monkeypatch.setenv("TOCSIN_AUDIT", "required")
    assert audit.main(_locked("anyio==4.0.0")) == 1
