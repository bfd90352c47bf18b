#!/usr/bin/env bash
# Write requirements.lock anew: names, versions and hashes for every platform, no addresses.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-package tocsin-audit \
  --no-annotate --no-header --python-version 3.11 --extra dev "$@" pyproject.toml -o requirements.lock
