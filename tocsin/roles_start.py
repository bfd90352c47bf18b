"""Starting a process with roles, for the commands that have them."""

import logging
import sys
from pathlib import Path
from typing import Final

SWITCH: Final = 0.0005
"""Seconds after which a busy thread lets others run, so that receipt and heartbeats do not wait for a detector."""


def start(roles: frozenset[str], config: Path | None, data: Path | None) -> int:
    """Run these roles until SIGTERM or Ctrl-C; the exit code.

    Raises FaultsError where the configuration has a fault, StorageError where Kafka or its topics cannot be used.
    """
    from tocsin.cycles import spare
    from tocsin.dumps import forbid
    from tocsin.first_start import first_key
    from tocsin.logs import set_up
    from tocsin.roles import LISTEN, Roles
    from tocsin.roles_server import serve
    from tocsin.setup import prepare

    forbid()
    ready = prepare(config, data)
    set_up(ready.config.logging.level, ready.config.logging.format, ready.loaded.secrets.hide)
    # Its client tells of every connection, which is for whoever debugs the client.
    logging.getLogger("kafka").setLevel(logging.WARNING)
    running = Roles(ready, roles)
    if LISTEN in roles and (made := first_key(ready.data, running.clock())) is not None:
        logging.getLogger("tocsin").info("first start: a collector key for all tenants lies in %s", made)
    spare()
    sys.setswitchinterval(SWITCH)
    return serve(running)
