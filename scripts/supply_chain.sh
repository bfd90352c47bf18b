#!/usr/bin/env bash
# Known weaknesses: of our own code (bandit), in the repository (secrets), and of what is locked (pip-audit).
# The last needs the network: where nobody answers that is said and the check goes on; TOCSIN_AUDIT=required makes it fail.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/bandit --quiet --recursive --severity-level medium --confidence-level medium \
  --configfile pyproject.toml stream collector detectors alerting tocsin audit/tocsin_audit scripts >&2
.venv/bin/python -m scripts.secret_scan
report=$(mktemp)
trap 'rm -f "$report"' EXIT
said=$(timeout 120 .venv/bin/pip-audit --disable-pip --require-hashes --requirement requirements.lock \
  --progress-spinner off --timeout 10 --format json --output "$report" 2>&1) || true
.venv/bin/python - "$report" "${said##*$'\n'}" <<'PYTHON'
import json, os, sys
from pathlib import Path

text = Path(sys.argv[1]).read_text()
audited = json.loads(text)["dependencies"] if text else []
weak = [f"{one['name']} {one['version']}: {bug['id']}" for one in audited for bug in one.get("vulns", ())]
skipped = [one["name"] for one in audited if "skip_reason" in one]
for one in weak:
    print(f"supply chain: {one}", file=sys.stderr)
unasked = not audited or skipped
if unasked:
    what = f"{len(skipped)} of {len(audited)} packages" if audited else f"anything ({sys.argv[2]})"
    print(f"supply chain: nobody could be asked about known vulnerabilities of {what}", file=sys.stderr)
sys.exit(bool(weak) or (bool(unasked) and os.environ.get("TOCSIN_AUDIT") == "required"))
PYTHON
