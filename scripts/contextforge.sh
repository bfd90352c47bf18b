#!/usr/bin/env bash
# ContextForge for tests, in an environment of its own (it needs an older SDK than Tocsin): prints the folder that holds it.
# uv gets it on first use by the hashed lock beside this file; it is kept under the user's cache folder and is never part of Tocsin.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lock=$here/contextforge/requirements.lock
uv=$here/../.venv/bin/uv
say() { printf 'contextforge: %s\n' "$*" >&2; }

missing=3 # the exit code that tells callers that this machine lacks something
[ -x "$uv" ] || { say "there is no .venv with uv; 'make setup' makes it"; exit $missing; }

digest=$(cksum <"$lock" | tr -cd '0-9')
folder=${XDG_CACHE_HOME:-$HOME/.cache}/tocsin/contextforge-$digest
if [ ! -e "$folder/complete" ]; then
  say "getting ContextForge with uv (once, some 150 MB)"
  rm -rf "$folder"
  mkdir -p "$folder"
  "$uv" venv --quiet --python "$here/../.venv/bin/python" "$folder/venv" >&2
  "$uv" pip sync --quiet --require-hashes --python "$folder/venv/bin/python" "$lock" >&2 ||
    { rm -rf "$folder"; say "uv failed (above); the first time it must reach a package index"; exit 1; }
  touch "$folder/complete"
fi
printf '%s\n' "$folder"
