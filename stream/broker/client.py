"""Clients of Kafka, and what its errors mean to an operator."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import (
    AuthorizationError,
    KafkaError,
    MessageSizeTooLargeError,
    SaslAuthenticationFailedError,
    UnknownTopicOrPartitionError,
)

from stream.broker.address import Address
from stream.errors import FullError, RejectedError, StorageError, UnavailableError

T = TypeVar("T")

BOOTSTRAP_MS: Final = 15_000
"""Milliseconds that a client looks for a broker before it says that there is none."""
LARGEST: Final = 20 * 1024 * 1024
"""Bytes of one record at most; the topics are made for it."""
_CONNECT: Final = 3.0
_ENDING: Final = 5.0


def consumer(address: Address, **settings: Any) -> KafkaConsumer:
    """A consumer of an address. Raises StorageError saying why there can be none."""
    base = {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "metrics_enabled": False,
        "allow_auto_create_topics": False,
        "bootstrap_timeout_ms": BOOTSTRAP_MS,
        "max_partition_fetch_bytes": LARGEST,
    }
    return _made(address, lambda: KafkaConsumer(**address.client(), **(base | settings)))


def producer(address: Address, **settings: Any) -> KafkaProducer:
    """An idempotent producer of an address that keeps order. Raises StorageError saying why there can be none."""
    base = {
        "acks": "all",
        "metrics_enabled": False,
        "enable_idempotence": True,
        "allow_auto_create_topics": False,
        "bootstrap_timeout_ms": BOOTSTRAP_MS,
        "batch_size": 256 * 1024,
        "max_request_size": LARGEST,
        "max_block_ms": 15_000,
        "request_timeout_ms": 10_000,
        "delivery_timeout_ms": 30_000,
        "retry_backoff_ms": 20,
    }
    return _made(address, lambda: KafkaProducer(**address.client(), **(base | settings)))


def admin(address: Address) -> KafkaAdminClient:
    """A client that makes and describes topics. Raises StorageError saying why there can be none."""
    return _made(
        address,
        lambda: KafkaAdminClient(**address.client(), bootstrap_timeout_ms=BOOTSTRAP_MS, request_timeout_ms=15_000),
    )


def end(producer: KafkaProducer, seconds: float) -> None:
    """Close a producer after at most so many seconds; what is under way by then fails, and is not sent any more.

    kafka-python 3.0 raises where something is under way and leaves the thread behind, which would still send it.
    """
    sender = producer._sender
    try:
        producer.close(timeout=seconds)
    except KafkaError:
        sender.force_close()
        sender.join(_ENDING)
        with suppress(KafkaError):
            producer.close(timeout=0)


@contextmanager
def guarded(address: Address) -> Iterator[None]:
    """Raises StorageError or its kin where Kafka's client raises its own errors."""
    try:
        yield
    except KafkaError as error:
        raise explained(address, error) from error


def explained(address: Address, error: BaseException) -> StorageError | UnavailableError | RejectedError:
    """What an error of Kafka's client means, and what to do."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, UnknownTopicOrPartitionError):
        return StorageError(
            f"Kafka does not have the topics of this log ({text})",
            where=address.where,
            hint="make them with `tocsin topics --create`",
        )
    if isinstance(error, SaslAuthenticationFailedError):
        return _unwelcome(address, text)
    if isinstance(error, AuthorizationError):
        return StorageError(
            f"Kafka does not let {address.user or 'this client'} do this ({text})",
            where=address.where,
            hint=f"allow it on the topics and groups that begin with {address.prefix!r} (kafka-acls)",
        )
    if isinstance(error, MessageSizeTooLargeError):
        return FullError(
            f"a frame is larger than Kafka takes ({text})",
            where=address.where,
            hint="set the topics' max.message.bytes as `tocsin topics` says, or send smaller bodies",
        )
    return StorageError(
        f"Kafka does not work ({text})", where=address.where, hint="look at the brokers; it is tried again by itself"
    )


def _made(address: Address, make: Callable[[], T]) -> T:
    with _listening() as said:
        try:
            return make()
        except KafkaError as error:
            raise _unreachable(address, error, said) from error


def _unreachable(address: Address, error: KafkaError, said: list[str]) -> StorageError | UnavailableError:
    """Why nobody answered: the client itself says only that it could not bootstrap."""
    words = "; ".join(dict.fromkeys(said))
    if any(sign in words.lower() for sign in ("authentication", "sasl", "scram")):
        return _unwelcome(address, words[:300])
    failures = [why for server in address.servers if (why := _refused(address, server)) is not None]
    if len(failures) == len(address.servers):
        return UnavailableError(
            f"no Kafka broker can be reached ({'; '.join(failures)})",
            where=address.where,
            hint="check that the brokers run and that the address, the port and the certificates are theirs",
        )
    if address.user is not None:
        return _unwelcome(address, str(error))
    return UnavailableError(
        f"something answers there, but not as Kafka ({words[:300] or error})",
        where=address.where,
        hint="if the brokers ask for TLS say ca=PATH, if they ask for a login say user=NAME in the address",
    )


def _unwelcome(address: Address, why: str) -> StorageError:
    return StorageError(
        f"Kafka refuses the login of {address.user!r} by {address.mechanism} ({why})",
        where=address.where,
        hint="check user and password, and that the user was made for this mechanism (kafka-configs --add-config)",
    )


def _refused(address: Address, server: str) -> str | None:
    """Why a server cannot even be connected to; None where it can."""
    host, _, port = server.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _CONNECT) as plain:
            if address.tls is not None:
                with address.tls.wrap_socket(plain, server_hostname=host):
                    pass
    except OSError as error:  # TLS errors are OSErrors too
        return f"{server}: {error}"
    return None


@contextmanager
def _listening() -> Iterator[list[str]]:
    """What Kafka's client logs meanwhile: it tells there why it was turned away, and nowhere else."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    ear = Ear(logging.WARNING)
    logger = logging.getLogger("kafka")
    logger.addHandler(ear)
    try:
        yield said
    finally:
        logger.removeHandler(ear)
