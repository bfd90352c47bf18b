"""The topics of a Kafka log: what each must be like, what is wrong with those that are there, and making them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError

from stream.broker import client as kafka_client
from stream.broker.address import Address
from stream.errors import StorageError

EVENTS: Final = "events"
FINDINGS: Final = "findings"
WIDE: Final = "wide"
PEERS: Final = "peers"
STATE: Final = "state"
DEAD: Final = "dead"
DAY_MS: Final = 86_400_000
FOREVER: Final = -1
_TIME: Final = "message.timestamp.type"
_POLICY: Final = "cleanup.policy"
_RETENTION: Final = "retention.ms"
_SIZE: Final = "max.message.bytes"
_UNCLEAN: Final = "unclean.leader.election.enable"
NEEDED: Final = "min.insync.replicas"
"""How many replicas must have a record before it counts as written: all but one of them, so that one may be gone."""
INTERNAL: Final = {
    "__consumer_offsets": "Kafka's own: who works on which partition",
    "__transaction_state": "Kafka's own: transactions, which snapshots are",
}
MEND: Final = "tocsin topics --mend"


class Wanted(NamedTuple):
    """A topic as it must be: partitions (None where any number does), and settings that must be so."""

    name: str
    purpose: str
    partitions: int | None
    settings: Mapping[str, str]


class Topic(NamedTuple):
    """A topic as it is; `partitions` is 0 where there is none.

    `replication` and `in_sync` are those of the partition that has fewest. `wrong` are the settings that it should have
    instead.
    """

    name: str
    purpose: str
    partitions: int
    replication: int
    in_sync: int
    settings: Mapping[str, str]
    wrong: Mapping[str, str]
    faults: tuple[str, ...]
    mend: str


def wanted(address: Address, partitions: int | None, days: float) -> list[Wanted]:
    """The topics of a log: `partitions` of events (and of what goes with them), events kept for so many days.

    Where `partitions` is None any number of them does.
    """
    record = {_SIZE: str(kafka_client.LARGEST), _UNCLEAN: "false"}
    kept = {_POLICY: "delete", _RETENTION: str(int(days * DAY_MS)), _TIME: "LogAppendTime", **record}
    compact = {_POLICY: "compact", **record}
    names = {purpose: f"{address.prefix}.{purpose}" for purpose in (EVENTS, FINDINGS, WIDE, PEERS, STATE, DEAD)}
    return [
        Wanted(names[EVENTS], "event frames, control records and ticks", partitions, kept),
        Wanted(names[FINDINGS], "findings and operators' acts, in one order for all", 1, kept),
        Wanted(names[WIDE], "what partitions gathered of wide entities, for their owners", partitions, kept),
        Wanted(names[PEERS], "what owners answer at each boundary", partitions, kept),
        Wanted(names[STATE], "snapshots of the detectors' state", partitions, compact),
        Wanted(names[DEAD], "records that could not be read, with the reason", 1, compact),
    ]


def inspect(address: Address, wants: Sequence[Wanted], replication: int) -> list[Topic]:
    """The topics as they are, each with its faults and the command that mends them. Raises StorageError.

    Of Kafka's own topics there is one only where it is a fault of it that a broker's loss would stop everything.
    """
    client = kafka_client.admin(address)
    try:
        with kafka_client.guarded(address):
            there = {topic["name"]: topic for topic in client.describe_topics() if not topic.get("error_code")}
            present = [want.name for want in wants if want.name in there]
            resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in present]
            described = client.describe_configs(resources, config_filter="all") if resources else {}
    finally:
        client.close()
    settings = {name: _values(found) for name, found in described.get("topic", {}).items()}
    found = [_judged(want, there.get(want.name), settings.get(want.name, {}), replication, address) for want in wants]
    own = [_own(name, purpose, there[name]) for name, purpose in INTERNAL.items() if name in there]
    return found + [topic for topic in own if replication > 1 and topic.faults]


def create(address: Address, wants: Sequence[Wanted], replication: int) -> list[str]:
    """Make the topics that are missing; their names. Raises StorageError saying why one cannot be made."""
    missing = {topic.name for topic in inspect(address, wants, replication) if not topic.partitions}
    if not missing:
        return []
    client = kafka_client.admin(address)
    try:
        with kafka_client.guarded(address):
            enough(address, len(client.describe_cluster()["brokers"]), replication)
            client.create_topics(
                {
                    want.name: {
                        "num_partitions": want.partitions or 1,
                        "replication_factor": replication,
                        "configs": {**want.settings, NEEDED: str(needed(replication))},
                    }
                    for want in wants
                    if want.name in missing
                },
                wait_for_metadata=True,
            )
    except StorageError as error:
        if isinstance(error.__cause__, TopicAlreadyExistsError):
            return create(address, wants, replication)  # somebody else was making them at the same moment
        raise
    finally:
        client.close()
    return sorted(missing)


def needed(replication: int) -> int:
    """How many replicas must have a record before it counts as written."""
    return max(1, replication - 1)


def enough(address: Address, brokers: int, replication: int) -> None:
    """Raises StorageError where there are fewer brokers than replicas are asked for."""
    if brokers < replication:
        raise StorageError(
            f"{replication} replicas are asked for, and there {'is' if brokers == 1 else 'are'} {brokers} broker"
            f"{'' if brokers == 1 else 's'}",
            where=address.where,
            hint=f"wait until all brokers run, or say kafka.replication: {brokers}"
            + (" (what was accepted is then lost with that broker's disk)" if brokers == 1 else ""),
        )


def kept(address: Address, topics: Sequence[str]) -> dict[str, str]:
    """For how long topics keep their records (`retention.ms`). Raises StorageError."""
    client = kafka_client.admin(address)
    try:
        with kafka_client.guarded(address):
            resources = [ConfigResource(ConfigResourceType.TOPIC, one) for one in topics]
            found = client.describe_configs(resources, config_filter="all")["topic"]
    finally:
        client.close()
    return {one: _values(found[one])[_RETENTION] for one in topics}


def keep(address: Address, values: Mapping[str, str]) -> None:
    """Have topics keep their records for as long as is given. Raises StorageError where Kafka does not let us."""
    client = kafka_client.admin(address)
    try:
        with kafka_client.guarded(address):
            client.alter_configs(
                [
                    ConfigResource(ConfigResourceType.TOPIC, topic, {_RETENTION: value})
                    for topic, value in values.items()
                ]
            )
    finally:
        client.close()


def remove(address: Address) -> None:
    """Delete the topics of a log, with all that stands in them. Raises StorageError where Kafka does not let us."""
    client = kafka_client.admin(address)
    try:
        with kafka_client.guarded(address):
            client.delete_topics([want.name for want in wanted(address, None, 1)])
    finally:
        client.close()


def _values(found: Any) -> dict[str, str]:
    return {name: str(entry["value"] if isinstance(entry, dict) else entry) for name, entry in found.items()}


def _judged(want: Wanted, found: Any, settings: Mapping[str, str], replication: int, address: Address) -> Topic:
    if found is None:
        return Topic(want.name, want.purpose, 0, 0, 0, {}, {}, ("is missing",), "tocsin topics --create")
    faults: list[str] = []
    mends: list[str] = []
    partitions = found["partitions"]
    copies, in_sync = _fewest(partitions, "replica_nodes"), _fewest(partitions, "isr_nodes")
    if want.partitions is not None and len(partitions) != want.partitions:
        faults.append(f"has {len(partitions)} partitions, not {want.partitions}")
        mends.append(
            f"kafka-topics.sh --bootstrap-server {','.join(address.servers)} --delete --topic {want.name}"
            " && tocsin topics --create  # what stands in it is lost: keys move with the number of partitions"
        )
    if copies < replication:
        faults.append(f"has {copies} replica{'' if copies == 1 else 's'}, not {replication}")
    wrong = {name: value for name, value in want.settings.items() if not _fits(name, value, settings.get(name))}
    least, most = needed(replication), max(copies, replication)
    if not least <= int(settings.get(NEEDED, 0)) <= most:
        wrong[NEEDED] = str(least)
    faults += [f"has {name}={settings.get(name)}, not {value}" for name, value in wrong.items()]
    if wrong or copies < replication:
        mends.append(MEND)
    shown = {name: settings[name] for name in (*want.settings, NEEDED) if name in settings}
    judged = (tuple(faults), "; ".join(mends))
    return Topic(want.name, want.purpose, len(partitions), copies, in_sync, shown, wrong, *judged)


def _own(name: str, purpose: str, found: Any) -> Topic:
    """One of Kafka's own topics, whose settings are its brokers' affair."""
    partitions = found["partitions"]
    copies, in_sync = _fewest(partitions, "replica_nodes"), _fewest(partitions, "isr_nodes")
    faults = ("has 1 replica: while its broker is gone nothing goes on",) if copies < 2 else ()
    return Topic(name, purpose, len(partitions), copies, in_sync, {}, {}, faults, MEND if faults else "")


def _fewest(partitions: Sequence[Any], what: str) -> int:
    return min((len(partition[what]) for partition in partitions), default=0)


def _fits(name: str, value: str, found: str | None) -> bool:
    """Whether a setting is as wanted; keeping longer and taking larger records is fine."""
    if found is None:
        return False
    if name == _RETENTION:
        return int(found) == FOREVER or (int(value) != FOREVER and int(found) >= int(value))
    if name == _SIZE:
        return int(found) >= int(value)
    if name == _POLICY:
        # While single records are taken away, brokers compact too: each record has a key of its own.
        kinds = set(found.strip("[]").replace(" ", "").split(","))
        return kinds == {value} or (value == "delete" and kinds == {"compact", "delete"})
    return found == value
