#!/usr/bin/env bash
# Make the environment in .venv from the hashed lock; quick when the lock has not changed.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '%s\n' "$*" >&2; }
fail() { say "setup: $1"; say "hint: $2"; exit 2; }

uv_version=0.13.9
python=${PYTHON:-python3}
here=$(pwd -P)

command -v "$python" >/dev/null ||
  fail "Python 3.11 or newer is needed, but there is no '$python'." "install one, or say 'make setup PYTHON=/path/to/python3.11'."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  fail "Python 3.11 or newer is needed, but '$python' is $("$python" --version 2>&1)." "install one, or say 'make setup PYTHON=/path/to/python3.11'."

stamp=.venv/.tocsin-stamp
want=$(cat requirements.lock pyproject.toml audit/pyproject.toml scripts/setup.sh | "$python" -c 'import hashlib,sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
if [ -x .venv/bin/tocsin ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$want $here" ]; then
  exit 0
fi

# What an interrupted run left, or what was moved here from another folder, is made anew.
usable() { .venv/bin/python -m pip --version >/dev/null 2>&1 && head -n 3 .venv/bin/pip | grep -qF "$here/.venv/"; }

say "setup: making .venv (first time, or the lock has changed; a minute or two)"
if ! usable; then
  "$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "this Python cannot make virtual environments (venv or ensurepip is missing)." "on Debian or Ubuntu: apt-get install python3-venv"
  "$python" -m venv --clear .venv >&2
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$uv_version" >&2 ||
  fail "pip could not fetch uv $uv_version." "look at the network, the proxy, and the index that pip is configured with."
export UV_PYTHON_DOWNLOADS=never
say "setup: installing the locked packages"
.venv/bin/uv pip sync --quiet --compile-bytecode --require-hashes --python .venv/bin/python requirements.lock >&2
say "setup: installing tocsin-audit and tocsin from this checkout"
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e ./audit -e . >&2
printf '%s %s' "$want" "$here" >"$stamp"
say "setup: done"
