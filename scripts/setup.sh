#!/usr/bin/env bash
# Make the environment in .venv from the hashed lock; quick when the lock has not changed.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '%s\n' "$*" >&2; }

uv_version=0.13.9
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  say "setup: Python 3.11 or newer is needed, but '$python' is $("$python" --version 2>&1 || echo missing)."
  say "hint: install one and run 'make setup PYTHON=/path/to/python3.11'."
  exit 2
fi

stamp=.venv/.tocsin-stamp
want=$(cat requirements.lock pyproject.toml audit/pyproject.toml scripts/setup.sh | "$python" -c 'import hashlib,sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
if [ -x .venv/bin/tocsin ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$want $PWD" ]; then
  exit 0
fi

if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  say "setup: this Python cannot make virtual environments (venv or ensurepip is missing)."
  say "hint: on Debian or Ubuntu: apt-get install python3-venv"
  exit 2
fi

say "setup: making .venv (first time, or the lock has changed; a minute or two)"
[ -x .venv/bin/python ] || "$python" -m venv .venv >&2
.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$uv_version" >&2
export UV_PYTHON_DOWNLOADS=never
say "setup: installing the locked packages"
.venv/bin/uv pip sync --quiet --require-hashes --python .venv/bin/python requirements.lock >&2
say "setup: installing tocsin-audit and tocsin from this checkout"
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e ./audit -e . >&2
printf '%s %s' "$want" "$PWD" >"$stamp"
say "setup: done"
