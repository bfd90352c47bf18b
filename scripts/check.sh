#!/usr/bin/env bash
# The quick static part of the tests: style, types, the import table, known weaknesses.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/ruff format --check --quiet . || { echo "hint: .venv/bin/ruff format ." >&2; exit 1; }
.venv/bin/ruff check --quiet .
.venv/bin/mypy --no-error-summary
imports=$(.venv/bin/lint-imports --no-cache 2>&1) || { echo "$imports" >&2; exit 1; }
scripts/supply_chain.sh
