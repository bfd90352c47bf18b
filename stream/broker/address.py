"""Where a Kafka log is and how to be let in: `kafka://host:port,…/prefix?ca=…&user=…` as the client's settings."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from stream.broker.socket import PROXY
from stream.errors import ConfigError

SCHEME: Final = "kafka://"
PREFIX: Final = "tocsin"
PASSWORD_VARIABLE: Final = "TOCSIN_KAFKA_PASSWORD"  # noqa: S105  # the variable's name, not the password
MECHANISMS: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
OPTIONS: Final = ("ca", "certificate", "key", "mechanism", "password_file", "tls", "user")
_PORT: Final = 9092
_FORM: Final = "kafka://host:9092,host2:9092/tocsin?ca=ca.pem&user=tocsin&password_file=password"


class Address(NamedTuple):
    """The brokers to ask first, the prefix of all topics and groups, and what the client needs to be let in.

    `user` is whom we log in as and `tls` whether the connection is encrypted, for messages; `password` is read already.
    """

    servers: tuple[str, ...]
    prefix: str = PREFIX
    tls: ssl.SSLContext | None = None
    mechanism: str = MECHANISMS[0]
    user: str | None = None
    password: str | None = None

    @property
    def where(self) -> str:
        """The address as messages name it, without any secret."""
        return f"{SCHEME}{','.join(self.servers)}/{self.prefix}"

    def client(self) -> dict[str, Any]:
        """The settings that every client of kafka-python gets."""
        encrypted = "SSL" if self.tls is not None else "PLAINTEXT"
        settings: dict[str, Any] = {
            "bootstrap_servers": list(self.servers),
            "security_protocol": encrypted if self.user is None else f"SASL_{encrypted}",
            "reconnect_backoff_max_ms": 500,
            "proxy_url": PROXY,
        }
        if self.tls is not None:
            settings["ssl_context"] = self.tls
        if self.user is not None:
            settings |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return settings


def parse_address(url: str, environment: Mapping[str, str], base: Path | None = None) -> Address:
    """An address from its URL; relative files start at `base`, the password comes from a file or the environment.

    Raises ConfigError saying what is wrong with it and what it should look like.
    """
    parts = urlsplit(url)
    if parts.scheme != "kafka" or not parts.netloc:
        raise ConfigError("the log's address is not one of Kafka", where=url, hint=_FORM)
    if "@" in parts.netloc:
        hint = f"say ?user=NAME, and the password in {PASSWORD_VARIABLE} or with &password_file=PATH"
        raise ConfigError("credentials do not belong into the log's address", hint=hint)
    shown = f"{SCHEME}{parts.netloc}{parts.path}"
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options:
        if name not in OPTIONS:
            raise ConfigError(f"there is no option {name!r}", where=shown, hint=f"one of {', '.join(OPTIONS)}")
    prefix = parts.path.strip("/") or PREFIX
    if not prefix.replace("-", "").replace("_", "").replace(".", "").isalnum() or len(prefix) > 200:
        raise ConfigError(f"topics cannot begin with {prefix!r}", where=shown, hint="letters, digits, '.', '_' and '-'")
    mechanism = options.get("mechanism", MECHANISMS[0])
    if mechanism not in MECHANISMS:
        raise ConfigError(f"there is no mechanism {mechanism!r}", where=shown, hint=f"one of {', '.join(MECHANISMS)}")
    user = options.get("user")
    folder = base or Path()
    return Address(
        servers=tuple(_server(server, shown) for server in parts.netloc.split(",")),
        prefix=prefix,
        tls=_tls(options, folder, shown),
        mechanism=mechanism,
        user=user,
        password=_password(options, environment, folder, shown) if user is not None else None,
    )


def _server(server: str, shown: str) -> str:
    host, _, port = server.rpartition(":")
    if not host:
        return f"{server}:{_PORT}"
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"{server!r} is not host:port", where=shown, hint=_FORM)
    return server


def _tls(options: Mapping[str, str], folder: Path, shown: str) -> ssl.SSLContext | None:
    if "key" in options and "certificate" not in options:
        raise ConfigError("a key but not its certificate", where=shown, hint="say certificate=PATH as well")
    if not {"tls", "ca", "certificate"} & options.keys() or options.get("tls") == "no":
        return None
    try:
        context = ssl.create_default_context(cafile=str(folder / options["ca"]) if "ca" in options else None)
        if "certificate" in options:
            key = folder / options["key"] if "key" in options else None
            context.load_cert_chain(folder / options["certificate"], key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the certificates for Kafka cannot be used ({error})",
            where=shown,
            hint="name PEM files: ca=PATH, and for mutual TLS certificate=PATH and key=PATH without a password",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _password(options: Mapping[str, str], environment: Mapping[str, str], folder: Path, shown: str) -> str:
    if "password_file" in options:
        path = folder / options["password_file"]
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(
                f"the file with Kafka's password cannot be read ({error.strerror})",
                where=str(path),
                hint="let password_file= name a file that this user may read",
            ) from error
    password = environment.get(PASSWORD_VARIABLE, "")
    if not password:
        hint = f"set {PASSWORD_VARIABLE}, or say password_file=PATH in the address"
        raise ConfigError("a user for Kafka but no password", where=shown, hint=hint)
    return password
