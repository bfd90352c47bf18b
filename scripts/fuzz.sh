#!/usr/bin/env bash
# Fuzz every parser for SECONDS each (60 by default), at low priority: scripts/fuzz.sh [SECONDS] [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python
seconds=${1:-60}
shift || true
"$python" -c 'import atheris' 2>/dev/null || {
  printf 'fuzz: atheris is not there.\nhint: it has wheels for Linux and CPython up to 3.13; run make setup with one.\n' >&2
  exit 2
}
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <("$python" tests/fuzz/fuzz.py --list)
base=${TOCSIN_FUZZ_CORPUS:-$HOME/.cache/tocsin-fuzz}
failed=()
for target in "${targets[@]}"; do
  mkdir -p "$base/$target"
  "$python" -m tests.fuzz.seeds "$target" "$base/$target"
  log=$base/$target.log
  if (cd "$base/$target" && nice -n 19 "$python" "$OLDPWD/tests/fuzz/fuzz.py" "$target" . -max_total_time="$seconds" \
    -timeout=10 -rss_limit_mb=2048 -max_len=16384) >"$log" 2>&1; then
    printf '%-24s %4ss  %s\n' "$target" "$seconds" "$(grep -Eo 'Done [0-9]+ runs' "$log" || true)"
  else
    printf '%-24s FAILED, see %s\n' "$target" "$log"
    failed+=("$target")
  fi
done
[ ${#failed[@]} -eq 0 ] || { printf 'fuzz: failed: %s\n' "${failed[*]}" >&2; exit 1; }
