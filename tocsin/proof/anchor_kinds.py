"""How a checkpoint is kept: appended to a file, posted, sent to syslog, or created as a document in Elasticsearch."""

import os
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

TIMEOUT: Final = 10.0
STREAM: Final = "logs-tocsin.ledger"
"""The data stream in Elasticsearch, before its namespace."""
PRIORITY: Final = 13 * 8 + 5
"""Facility log audit, severity notice (RFC 5424 §6.2.1)."""
THERE: Final = 409

Put = Callable[[str, bytes], None]
"""Keeps one line of JSON under an id; raises OSError or httpx.HTTPError where it cannot."""


def to_file(path: Path) -> Put:
    """Appends a line, and is done once it is on the disk."""

    def put(_: str, line: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, line + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    return put


def to_webhook(url: str, token: str | None, context: ssl.SSLContext) -> Put:
    """Posts JSON; any answer but a success is an error."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}

    def put(_: str, line: bytes) -> None:
        httpx.post(url, content=line, headers=headers, timeout=TIMEOUT, verify=context).raise_for_status()

    return put


def to_syslog(host: str, port: int, protocol: str, context: ssl.SSLContext) -> Put:
    """Sends one message of RFC 5424, framed as RFC 6587 or 5425 says unless it is a datagram."""

    def put(_: str, line: bytes) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = f"<{PRIORITY}>1 {stamp} {socket.gethostname()} tocsin - checkpoint - ".encode() + line
        if protocol == "udp":
            kind = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            with closing(socket.socket(*kind[:3])) as datagram:
                datagram.sendto(message, kind[4])
            return
        plain = socket.create_connection((host, port), TIMEOUT)
        with closing(context.wrap_socket(plain, server_hostname=host) if protocol == "tls" else plain) as wire:
            wire.sendall(b"%d %s" % (len(message), message))

    return put


def to_elasticsearch(options: Any) -> Put:
    """Creates a document under its own id where the sink of these options sends alerts; one that is there is good."""
    stream = f"{STREAM}-{options.namespace}"
    headers = {"Content-Type": "application/json"}
    if options.api_key:
        headers["Authorization"] = f"ApiKey {options.api_key}"
    user = (options.username, options.password) if options.username else None
    context: ssl.SSLContext | bool = (
        trust(None if options.ca is None else Path(options.ca)) if options.verify else False
    )

    def put(id_: str, line: bytes) -> None:
        problem: httpx.HTTPError | None = None
        for url in options.urls:
            place = f"{url.rstrip('/')}/{stream}/_create/{id_.replace('/', '-')}"
            try:
                answer = httpx.put(
                    place, content=line, headers=headers, auth=user, timeout=options.timeout, verify=context
                )
                if answer.status_code != THERE:
                    answer.raise_for_status()
            except httpx.HTTPError as error:
                problem = error
            else:
                return
        if problem is not None:
            raise problem

    return put


def trust(ca: Path | None) -> ssl.SSLContext:
    """Whom to believe: the given authority, else the system's."""
    return ssl.create_default_context(cafile=None if ca is None else str(ca))
