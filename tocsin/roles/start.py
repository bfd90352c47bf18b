"""Starting a process with roles, for the commands that have them."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # a command that has no roles need not load them
    from tocsin.setup import Ready

SWITCH: Final = 0.0005
"""Seconds after which a busy thread lets others run, so that receipt and heartbeats do not wait for a detector."""


def start(roles: frozenset[str], config: Path | None, data: Path | None) -> int:
    """Run these roles until SIGTERM or Ctrl-C; the exit code.

    Raises FaultsError where the configuration has a fault, StorageError where Kafka or its topics cannot be used.
    """
    from tocsin.first_start import first_key
    from tocsin.roles.process import LISTEN, Roles
    from tocsin.roles.server import serve
    from tocsin.secrecy.dumps import forbid
    from tocsin.setup import prepare
    from tocsin.upkeep.cycles import spare
    from tocsin.upkeep.logs import set_up

    forbid()
    ready = prepare(config, data)
    set_up(ready.config.logging.level, ready.config.logging.format, ready.loaded.secrets.hide)
    # Its client tells of every connection, which is for whoever debugs the client.
    logging.getLogger("kafka").setLevel(logging.WARNING)
    if LISTEN in roles:
        for warning in warnings_of(ready):
            logging.getLogger("tocsin").warning(warning)
    running = Roles(ready, roles)
    if LISTEN in roles and (made := first_key(ready.data, running.clock())) is not None:
        logging.getLogger("tocsin").info("first start: a collector key for all tenants lies in %s", made)
    spare()
    sys.setswitchinterval(SWITCH)
    return serve(running)


def warnings_of(ready: "Ready") -> Iterator[str]:
    """What may be configured, but goes wrong where several processes share a log on Kafka."""
    from tocsin.roles.log import on_kafka
    from tocsin_audit.fingerprint import LOCAL

    if not on_kafka(ready.loaded):
        return
    if ready.enrich.prints.key_id == LOCAL:
        yield (
            "privacy.fingerprint_key is not set: each listener makes a key of its own at its start, so that one token "
            "seen by two of them looks like two; give all the same"
        )
    if ready.config.kafka.replication == 1:
        yield "kafka.replication is 1: what was accepted is lost with the disk of the broker that has it"
