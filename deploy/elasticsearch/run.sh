#!/usr/bin/env bash
# A real Elasticsearch node on the loopback interface for development and tests: run.sh [HOME [setting=value …]]
# HOME holds its data; without it the node is only prepared. Needs Maven and a JDK of version 21 or newer (ES_JAVA_HOME, JAVA_HOME, or an installed one).
# The jars are downloaded by Maven on first use and kept under the user's cache folder; they are never part of Tocsin.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
say() { printf 'elasticsearch: %s\n' "$*" >&2; }

version_of() { # the major version of a JDK folder, or 0; its file `release` says it without starting Java
  local text
  text=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release" 2>/dev/null) || true
  echo "${text:-0}"
}

find_jdk() {
  local folder
  for folder in "${ES_JAVA_HOME:-}" "${JAVA_HOME:-}" /usr/lib/jvm/* /usr/java/* /opt/java/* "$HOME"/.sdkman/candidates/java/* \
    "$HOME"/.jdks/* /Library/Java/JavaVirtualMachines/*/Contents/Home "$HOME"/Library/Java/JavaVirtualMachines/*/Contents/Home \
    /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home /usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home; do
    if [ -n "$folder" ] && [ -x "$folder/bin/javac" ] && [ "$(version_of "$folder")" -ge 21 ]; then
      printf '%s' "$folder"
      return
    fi
  done
  return 1
}

missing=3 # the exit code that tells callers that this machine lacks something
jdk=$(find_jdk) || { say "no JDK of version 21 or newer found; install one or set ES_JAVA_HOME to its folder"; exit $missing; }
command -v mvn >/dev/null || { say "Maven (mvn) is not installed; it downloads Elasticsearch's jars"; exit $missing; }

digest=$(cd "$here" && cat pom.xml $(find src -type f | LC_ALL=C sort) | cksum | tr -cd '0-9')
node=${XDG_CACHE_HOME:-$HOME/.cache}/tocsin/elasticsearch-$digest
if [ ! -e "$node/complete" ]; then
  say "getting Elasticsearch's jars with Maven (about 50 MB, once) and compiling the development node"
  draft=$node.$$ # two first starts at once do not meet
  mkdir -p "$draft"
  JAVA_HOME=$jdk mvn -q -B -Dstyle.color=never -f "$here/pom.xml" "-Dnode.folder=$draft" package >&2 2> >(grep -v '^WARNING: ' >&2) ||
    { rm -rf "$draft"; say "Maven failed (above); the first time it must reach a repository with org.elasticsearch"; exit 1; }
  touch "$draft/complete"
  { [ ! -e "$node" ] && mv "$draft" "$node"; } || rm -rf "$draft"
fi

[ $# -ge 1 ] || exit 0
mkdir -p "$1"
home=$(cd "$1" && pwd)
shift
# One small heap and the quick compiler alone: a test's node lives for seconds. The shared archive halves the start.
exec "$jdk/bin/java" -Xms512m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
  -XX:+AutoCreateSharedArchive "-XX:SharedArchiveFile=$node/classes-$(version_of "$jdk").jsa" -Xlog:cds=off -Xlog:aot=off \
  --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow -Dlog4j2.disable.jmx=true \
  -Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false \
  -cp "$node/lib/*" tocsin.node.DevelopmentNode "$node/modules" "$home" "$@"
