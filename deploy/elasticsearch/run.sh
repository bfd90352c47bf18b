#!/usr/bin/env bash
# A real Elasticsearch node on the loopback interface for development and tests: run.sh [HOME [setting=value …]]
# HOME holds its data; without it the node is only prepared. Needs Maven and a JDK of version 21 or newer (ES_JAVA_HOME, JAVA_HOME, or an installed one).
# The jars are downloaded by Maven on first use and kept under the user's cache folder; they are never part of Tocsin.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/jars.sh
source "$here/../jars.sh"

jdk=$(find_jdk javac 21 ES_JAVA_HOME JAVA_HOME) || exit $missing
digest=$(cd "$here" && cat pom.xml $(find src -type f | LC_ALL=C sort) | cksum | tr -cd '0-9')
node=${XDG_CACHE_HOME:-$HOME/.cache}/tocsin/elasticsearch-$digest
get_jars "$node" "$jdk" org.elasticsearch \
  "getting Elasticsearch's jars with Maven (about 50 MB, once) and compiling the development node"

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
