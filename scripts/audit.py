"""Published weaknesses of what is locked, by pip-audit.

    $ python -m scripts.audit [LOCK]

It asks PyPI, or whom pip-audit's own variables name (`PIP_AUDIT_VULNERABILITY_SERVICE=osv`, `PIP_AUDIT_OSV_URL=…`). A
weakness fails the check. Where nobody could be asked that is said, with the reason, and the check goes on, so that it
works without a network; `TOCSIN_AUDIT=required` makes it fail.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
PATIENCE = 120.0
"""Seconds for all questions together."""


class Asked(NamedTuple):
    """What came of asking: weaknesses, the packages that nobody knew anything of, and why."""

    weak: list[str]
    unasked: list[str]
    why: str


def ask(requirements: str) -> Asked:
    """Ask about locked requirements."""
    names = [line.partition("==")[0] for line in requirements.splitlines() if "==" in line]
    with tempfile.TemporaryDirectory() as folder:
        report, lock = Path(folder) / "report.json", Path(folder) / "lock.txt"
        lock.write_text(requirements)
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--requirement", str(lock)]
        command += ["--progress-spinner", "off", "--timeout", "10", "--format", "json", "--output", str(report)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return Asked([], names, f"no answer within {PATIENCE:g} seconds")
        said = done.stderr.strip().splitlines()
        if not report.exists() or not (text := report.read_text()):
            return Asked([], names, said[-1] if said else "pip-audit said nothing")
    return judged(json.loads(text)["dependencies"])


def judged(dependencies: Sequence[dict[str, Any]]) -> Asked:
    """What a report of pip-audit says."""
    weak = [
        f"{one['name']} {one['version']}: {bug['id']}" + _mended(bug)
        for one in dependencies
        for bug in one.get("vulns", ())
    ]
    skipped = [one for one in dependencies if "skip_reason" in one]
    return Asked(weak, [one["name"] for one in skipped], skipped[0]["skip_reason"] if skipped else "")


def first(lock: str) -> str:
    """The first requirement of a lock file, with its hashes."""
    lines = lock.splitlines(keepends=True)
    begins = [number for number, line in enumerate(lines) if "==" in line]
    return "".join(lines[begins[0] : begins[1] if len(begins) > 1 else None])


def main(lock: str) -> int:
    """Ask about a lock file; the exit code."""
    # One question first: where nobody answers, the others would take a minute to say so.
    asked = ask(first(lock))
    if not asked.unasked:
        asked = ask(lock)
    else:
        asked = asked._replace(unasked=[line.partition("==")[0] for line in lock.splitlines() if "==" in line])
    for one in asked.weak:
        print(f"supply chain: {one}", file=sys.stderr)
    if asked.unasked:
        what = f"{len(asked.unasked)} packages ({', '.join(asked.unasked[:3])}, …)"
        print(f"supply chain: nobody could be asked about weaknesses of {what}: {asked.why}", file=sys.stderr)
        print(
            "hint: let PyPI be reached, or set PIP_AUDIT_VULNERABILITY_SERVICE=osv and "
            "PIP_AUDIT_OSV_URL; TOCSIN_AUDIT=required makes this a failure",
            file=sys.stderr,
        )
    required = os.environ.get("TOCSIN_AUDIT") == "required"
    return int(bool(asked.weak) or (required and bool(asked.unasked)))


def _mended(bug: dict[str, Any]) -> str:
    versions = bug.get("fix_versions") or ()
    return f" (mended in {', '.join(versions)})" if versions else ""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "requirements.lock").read_text()))
