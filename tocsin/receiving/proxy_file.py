"""`tocsin proxy`'s own file: where it listens, and the MCP servers behind it."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from collector.proxy.route import Router, Upstream
from stream.errors import ConfigError
from tocsin.config.content import Inspection, Issuer
from tocsin.config.faults import Fault, FaultsError, did_you_mean
from tocsin.config.whole import Tls
from tocsin.config.yamlfile import Document, read_yaml
from tocsin.receiving.enriching import inspection_faults, issuer_faults
from tocsin_audit.source import networks

LISTEN: Final = "127.0.0.1:8643"


class Behind(BaseModel):
    """One MCP server behind the proxy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="its address; with a prefix, the address that stands for the prefix")
    server: str | None = Field(None, description="its name in events; the host of its address by default")
    prefix: str = Field("", description="the path that it is reached under, like /crm; every path by default")
    host: str | None = Field(None, description="the Host that it is reached under; every host by default")
    preserve_host: bool = Field(False, description="send the caller's Host instead of its own")
    authority: Path | None = Field(None, description="PEM file of the authority that its certificate comes from")
    certificate: Path | None = Field(None, description="the proxy's own certificate, where the server asks for one")
    key: Path | None = Field(None, description="the private key of that certificate")
    connect_s: float = Field(10.0, gt=0, le=300, description="seconds to reach it in")


class ProxyFile(BaseModel):
    """Everything that the proxy's file may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: str = Field(LISTEN, description="HOST:PORT to listen on; anything but loopback needs tls")
    tls: Tls | None = Field(None, description="certificate and key; TLS 1.2 and newer")
    plain_http: bool = Field(False, description="force plain HTTP on an address that is not loopback")
    connections: int = Field(8192, ge=16, description="connections at once, half of them from one address at most")
    trusted_proxies: list[str] = Field([], description="addresses or networks whose X-Forwarded-* is believed")
    issuers: list[Issuer] = Field([], description="issuers of tokens, with their keys; all other names stay claims")
    inspection: Inspection = Inspection()
    upstreams: list[Behind] = Field(min_length=1, description="the MCP servers")


_SECTIONS: Final[dict[str, type[BaseModel]]] = {"upstreams": Behind, "issuers": Issuer, "inspection": Inspection}


class ProxySettings:
    """A proxy's file, or what stands for one on the command line, made ready."""

    def __init__(self, file: ProxyFile, document: Document, base: Path) -> None:
        """Raises FaultsError with everything that cannot be done."""
        self.trusted_proxies = file.trusted_proxies
        self.issuers, self.inspection, self.base = file.issuers, file.inspection, base
        self.tls = _tls(file.tls, base) if file.tls is not None else None
        self.connections = file.connections
        faults: list[Fault] = []
        wrong = issuer_faults(file.issuers, base)
        faults += [document.fault(("issuers", number), what) for number, what in wrong]
        said = inspection_faults(file.inspection)
        faults += [document.fault(("inspection", *path), what, hint) for path, what, hint in said]
        self.upstreams: list[Upstream] = []
        for number, behind in enumerate(file.upstreams):
            try:
                self.upstreams.append(_upstream(behind, base))
            except ValueError as error:
                faults.append(document.fault(("upstreams", number), str(error)))
        if not faults:
            try:
                Router(self.upstreams)
            except ValueError as error:
                faults.append(document.fault(("upstreams",), str(error)))
        try:
            networks(file.trusted_proxies)
        except ValueError as error:
            faults.append(document.fault(("trusted_proxies",), str(error), "write addresses or networks"))
        try:
            self.host, self.port = address_of(file.listen)
        except ValueError as error:
            faults.append(document.fault(("listen",), str(error)))
        else:
            if self.tls is None and not file.plain_http and not loopback(self.host):
                what = f"{self.host} is reached from elsewhere, so tokens and answers would pass in the clear"
                faults.append(document.fault(("listen",), what, "give it tls, or plain_http: true behind one that has"))
        if faults:
            raise FaultsError(faults)


def _tls(said: Tls, base: Path) -> Tls:
    """The same files, found from a folder."""
    clients = None if said.clients is None else base / said.clients
    return Tls(certificate=base / said.certificate, key=base / said.key, clients=clients)


def from_file(path: Path, listen: str | None) -> ProxySettings:
    """The settings of a file; `listen` stands above the file's. Raises FaultsError with every fault."""
    document = read_yaml(path)
    tree = document.tree if document.tree is not None else {}
    if not isinstance(tree, dict):
        raise FaultsError([document.fault((), "a proxy's file is a mapping", "start with `upstreams:`")])
    try:
        file = ProxyFile.model_validate({**tree, "listen": listen} if listen is not None else tree)
    except ValidationError as error:
        raise FaultsError([_fault(document, item) for item in error.errors()]) from None
    return ProxySettings(file, document, path.parent)


def from_words(upstreams: list[str], listen: str | None, server: str | None) -> ProxySettings:
    """The settings of a command line: `URL` or `PREFIX=URL` each. Raises ConfigError or FaultsError."""
    if server is not None and len(upstreams) > 1:
        raise ConfigError("--server names one upstream", hint="name several in a file: tocsin proxy --config FILE")
    behind = []
    for word in upstreams:
        prefix, equals, url = word.partition("=") if word.startswith("/") else ("", "", word)
        if word.startswith("/") and not equals:
            raise ConfigError(f"'{word}' names no address", hint="write --upstream /crm=http://127.0.0.1:9000")
        name = server or prefix.strip("/").replace("/", "-") or None
        behind.append(Behind(url=url, prefix=prefix.rstrip("/"), server=name))
    file = ProxyFile(listen=listen or LISTEN, upstreams=behind)
    return ProxySettings(file, Document("(command line)", {}, {}), Path())


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; raises ValueError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"'{text}' is not HOST:PORT, like {LISTEN}")
    return host.strip("[]"), int(port)


def loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _upstream(behind: Behind, base: Path) -> Upstream:
    said = behind.model_dump()
    for name in ("authority", "certificate", "key"):
        if said[name] is not None:
            said[name] = base / said[name]
    if (behind.certificate is None) != (behind.key is None):
        raise ValueError("certificate and key belong together; one of them is missing")
    said["server"] = behind.server or urlsplit(behind.url).hostname or behind.url
    return Upstream(**said)


def _fault(document: Document, item: Any) -> Fault:
    path = tuple(item["loc"])
    if item["type"] == "extra_forbidden":
        model = _SECTIONS.get(str(path[0]), Tls) if len(path) > 1 else ProxyFile
        return document.fault(path, "unknown key", did_you_mean(str(path[-1]), model.model_fields))
    if item["type"] == "missing":
        return document.fault(path, "is missing")
    what = str(item["msg"]).removeprefix("Value error, ")
    return document.fault(path, what[0].lower() + what[1:])
