#!/usr/bin/env bash
# The published MCP reference servers (TypeScript) for tests: prints the folder that holds them.
# npm gets them on first use by the lock beside this file; they are kept under the user's cache folder and are never part of Tocsin.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/reference-servers
say() { printf 'reference servers: %s\n' "$*" >&2; }

missing=3 # the exit code that tells callers that this machine lacks something
command -v npm >/dev/null && command -v node >/dev/null || { say "Node.js with npm is not installed; it runs the servers"; exit $missing; }
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || { say "Node.js is older than 20"; exit $missing; }

digest=$(cat "$here/package.json" "$here/package-lock.json" | cksum | tr -cd '0-9')
folder=${XDG_CACHE_HOME:-$HOME/.cache}/tocsin/reference-servers-$digest
if [ ! -e "$folder/complete" ]; then
  say "getting the reference servers with npm (once)"
  draft=$folder.$$ # two first starts at once do not meet
  mkdir -p "$draft"
  cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$draft"
  (cd "$draft" && npm ci --silent --no-progress >&2) ||
    { rm -rf "$draft"; say "npm failed (above); the first time it must reach a registry with @modelcontextprotocol"; exit 1; }
  touch "$draft/complete"
  { [ ! -e "$folder" ] && mv "$draft" "$folder"; } || rm -rf "$draft"
fi
printf '%s\n' "$folder"
