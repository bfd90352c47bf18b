#!/usr/bin/env bash
# A real Kafka broker on the loopback interface for development and tests: run.sh [HOME PORT [setting=value …]]
# HOME holds its data and PORT is where it listens; PORT + 1 is its controller's. Without them the jars are only prepared.
# Needs Maven and a JDK of version 17 or newer (JAVA_HOME, the java on the path, or an installed one).
# FORMAT_OPTIONS are words for the first formatting (`--add-scram …`). A node of several has CLUSTER_ID in common with them,
# `--initial-controllers …` in FORMAT_OPTIONS, and as settings its node.id and the controllers of all.
# The jars are downloaded by Maven on first use and kept under the user's cache folder; they are never part of Tocsin.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/jars.sh
source "$here/../jars.sh"

jdk=$(find_jdk java 17 JAVA_HOME) || exit $missing
node=${XDG_CACHE_HOME:-$HOME/.cache}/tocsin/kafka-$(cksum <"$here/pom.xml" | tr -cd '0-9')
get_jars "$node" "$jdk" org.apache.kafka "getting Kafka's jars with Maven (about 45 MB, once)"

[ $# -ge 1 ] || exit 0
mkdir -p "$1"
home=$(cd "$1" && pwd)
port=${2:-9092}
shift $(($# > 1 ? 2 : 1))
{
  cat <<SETTINGS
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:$((port + 1))
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$home/data
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# One node has nobody to wait for, and what is tried out here should answer at once.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=300
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
background.threads=2
SETTINGS
  for setting in "$@"; do printf '%s\n' "$setting"; done # of two settings of one name the later counts
} >"$home/server.properties"

# One small heap and the quick compiler alone: a development broker lives for minutes. The shared archive halves the start.
java=("$jdk/bin/java" -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true
  "-Dlog4j2.configurationFile=$here/log4j2.xml" -cp "$node/lib/*")
if [ ! -e "$home/data/meta.properties" ]; then
  alone=--standalone
  [ -z "${CLUSTER_ID:-}" ] || alone=
  # shellcheck disable=SC2086  # the options are words
  "${java[@]}" kafka.tools.StorageTool format -c "$home/server.properties" $alone ${FORMAT_OPTIONS:-} \
    -t "${CLUSTER_ID:-$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c 1-22)}" >&2
fi
exec "${java[@]}" kafka.Kafka "$home/server.properties"
