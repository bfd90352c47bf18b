#!/usr/bin/env bash
# To be sourced by the run.sh of a development server: finds a JDK, and has Maven get the server's jars once.
# They are kept under the user's cache folder; they are never part of Tocsin.
missing=3 # the exit code that tells callers that this machine lacks something

say() { printf '%s: %s\n' "$(basename "$here")" "$*" >&2; }

version_of() { # the major version of a JDK folder, or 0; its file `release` says it without starting Java
  local text
  text=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release" 2>/dev/null) || true
  echo "${text:-0}"
}

find_jdk() { # PROGRAM VERSION VARIABLE…: a JDK with this program of at least this version, the variables' first
  local program=$1 least=$2 name folder named=()
  shift 2
  for name in "$@"; do named+=("${!name:-}"); done
  for folder in "${named[@]}" /usr/lib/jvm/* /usr/java/* /opt/java/* "$HOME"/.sdkman/candidates/java/* "$HOME"/.jdks/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home "$HOME"/Library/Java/JavaVirtualMachines/*/Contents/Home \
    /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home /usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home; do
    if [ -n "$folder" ] && [ -x "$folder/bin/$program" ] && [ "$(version_of "$folder")" -ge "$least" ]; then
      printf '%s' "$folder"
      return
    fi
  done
  say "no JDK of version $least or newer found; install one or set $1 to its folder"
  return 1
}

get_jars() { # FOLDER JDK GROUP SAYING: what Maven makes of the pom.xml beside the caller, in the folder
  local node=$1 jdk=$2 draft=$1.$$ # two first starts at once do not meet
  command -v mvn >/dev/null || { say "Maven (mvn) is not installed; it downloads the jars"; return $missing; }
  [ ! -e "$node/complete" ] || return 0
  say "$4"
  mkdir -p "$draft"
  JAVA_HOME=$jdk mvn -q -B -Dstyle.color=never -f "$here/pom.xml" "-Dnode.folder=$draft" package >&2 2> >(grep -v '^WARNING: ' >&2) ||
    { rm -rf "$draft"; say "Maven failed (above); the first time it must reach a repository with $3"; return 1; }
  touch "$draft/complete"
  { [ ! -e "$node" ] && mv "$draft" "$node"; } || rm -rf "$draft"
}
