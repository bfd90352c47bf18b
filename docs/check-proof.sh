#!/bin/sh
# Checks a proof of `tocsin verify --export` without Tocsin: openssl for hashes and the signature, jq to read JSON.
# Usage: check-proof.sh PROOF PUBLIC_KEY      Exit status 0 and the lines that are proved, or 1 and the first bad line.
set -eu
proof=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bad() { echo "line $number: $1" >&2; exit 1; }
hash() { openssl dgst -sha256 -r | cut -d' ' -f1; }      # of standard input, in hex
raw() { printf '%s' "$1" | xxd -r -p; }                   # hex to bytes
leaf() { { printf '\000'; cat; } | hash; }                # RFC 6962: H(0 || data)
node() { { printf '\001'; raw "$1"; raw "$2"; } | hash; } # RFC 6962: H(1 || left || right)

climb() { # HASH INDEX SIZE: the root that the hashes on standard input lead to (RFC 9162, 2.1.3.2)
  found=$1 at=$2 last=$(($3 - 1))
  while read -r step; do
    [ "$last" -gt 0 ] || return 1
    if [ $((at & 1)) = 1 ] || [ "$at" = "$last" ]; then
      found=$(node "$step" "$found")
      while [ $((at & 1)) = 0 ] && [ "$at" -gt 0 ]; do at=$((at >> 1)) last=$((last >> 1)); done
    else
      found=$(node "$found" "$step")
    fi
    at=$((at >> 1)) last=$((last >> 1))
  done
  [ "$last" = 0 ] && echo "$found"
}

number=0 root='' seal='' entry=''
while IFS= read -r line; do
  number=$((number + 1))
  get() { printf '%s' "$line" | jq -r "$1"; }
  if [ "$number" = 1 ]; then # the checkpoint, and its signature by the key: name+id+base64(1 || key)
    get .checkpoint | sed '/^$/,$d' > "$dir/text"
    IFS=+ read -r name id key < "$2"
    { printf '302a300506032b6570032100'; printf '%s' "$key" | base64 -d | xxd -p -c 99 | cut -c3-; } |
      xxd -r -p > "$dir/key.der"
    get .checkpoint | sed -n "s|^— $name ||p" | while read -r signature; do
      blob=$(printf '%s' "$signature" | base64 -d | xxd -p -c 99)
      if [ "${blob%"${blob#????????}"}" = "$id" ]; then raw "${blob#????????}" > "$dir/signature"; fi
    done
    [ -s "$dir/signature" ] || bad "is not signed by this key"
    openssl pkeyutl -verify -pubin -keyform DER -inkey "$dir/key.der" -rawin -in "$dir/text" \
      -sigfile "$dir/signature" > /dev/null 2>&1 || bad "the signature is not good"
    size=$(sed -n 2p "$dir/text") root=$(sed -n 3p "$dir/text" | base64 -d | xxd -p -c 99)
  elif [ "$(get 'has("seal")')" = true ]; then # a seal is in the tree of seals
    seal=$(get .body)
    [ "$(get '.path[]' | climb "$(printf '%s' "$seal" | leaf)" "$(get .seal)" "$size")" = "$root" ] || bad "seal"
  elif [ "$(get 'has("entry")')" = true ]; then # an entry is in its part of the seal
    printf '%s' "$line" | jq -j .entry > "$dir/entry"
    entry=$(tr -d '\n' < "$dir/entry")
    where=${entry%% *} offset=$(echo "$entry" | cut -d' ' -f2)
    part=$(printf '%s' "$seal" | jq -c --arg s "${where%/*}" --argjson p "${where##*/}" --argjson o "$offset" \
      '.parts[] | select(.stream == $s and .partition == $p and .first <= $o and $o <= .last)')
    expected=$(printf '%s' "$part" | jq -r .root) frames=$(printf '%s' "$part" | jq -r .frames)
    found=$(get '.path[]' | climb "$(leaf < "$dir/entry")" "$(get .index)" "$frames") || bad "entry"
    [ -n "$expected" ] && [ "$found" = "$expected" ] || bad "entry"
  else # the hashes of an entry's lines, and the lines that are shown
    [ "$({ printf '\002'; get '.leaves[]' | xxd -r -p; } | hash)" = "$(echo "$entry" | cut -d' ' -f6)" ] || bad "leaves"
    shown=$(get '.events | length') at=0
    while [ "$at" -lt "$shown" ]; do
      printf '%s' "$line" | jq -j ".events[$at].text" > "$dir/event"
      found=$({ printf '\000'; raw "$(get ".events[$at].salt")"; cat "$dir/event"; } | hash)
      [ "$found" = "$(get ".leaves[.events[$at].line - 1]")" ] || bad "event"
      cat "$dir/event" && echo
      at=$((at + 1))
    done
  fi
done < "$proof"
[ "$number" -gt 0 ] || bad "there is no proof in it"
