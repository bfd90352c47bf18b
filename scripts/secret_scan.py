"""Secrets in the repository: what looks like a key, a token or a password that somebody could use.

    $ python -m scripts.secret_scan

Names file and line, never the secret. A line that only looks like one says `not a secret` and why; the makers' own
EXAMPLE keys are none.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WAIVED = "not a secret"
LARGEST = 2_000_000
PASSWORD = "a password in an address"  # noqa: S105  # what is told, not a password
AWS = "an AWS key"
SAMPLES = (PASSWORD, AWS)
"""What tests hold on purpose: passwords of services that they start, and what the inspector is to notice."""
PATTERNS = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/]{20}"),
    "a collector key or token of Tocsin": re.compile(r"\btc[st]_[0-9a-f]{10}_[0-9a-f]{48}\b"),
    AWS: re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})\b"),
    "a GitLab token": re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}\b"),
    "a Slack token": re.compile(r"\bxox[abprs]-[0-9A-Za-z-]{20,}\b"),
    "a Google key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "a Stripe key": re.compile(r"\b[sr]k_live_[0-9A-Za-z]{20,}\b"),
    "a package registry token": re.compile(r"\b(?:pypi-[A-Za-z0-9_-]{50,}|npm_[A-Za-z0-9]{36})\b"),
    PASSWORD: re.compile(r"\b[a-z][a-z0-9+]{2,15}://[^\s:/@\"'{}<>$]+:(?!\*+@)[^\s:/@\"'{}<>$]{8,}@"),
}


def found(text: str) -> Iterator[tuple[int, str]]:
    """The lines on which something looks like a secret, and like what."""
    for kind, pattern in PATTERNS.items():
        for match in pattern.finditer(text):
            number = text.count("\n", 0, match.start()) + 1
            if not match[0].endswith("EXAMPLE") and WAIVED not in text.splitlines()[number - 1]:
                yield number, kind


def main() -> int:
    """Look through every tracked file; 1 where something was found."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    bad = 0
    for name in filter(None, listing.split("\0")):
        path = ROOT / name
        if not path.is_file() or path.stat().st_size > LARGEST:
            continue
        for number, kind in found(path.read_text("utf-8", "replace")):
            if name.startswith("tests/") and kind in SAMPLES:
                continue
            print(f"{name}:{number}: looks like {kind}", file=sys.stderr)
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
