"""The configuration: `tocsin.yaml`, validated whole before anything starts."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tocsin.config.alerting import Alerting
from tocsin.config.base import Secret, Section
from tocsin.config.content import Identity, Inspection, Privacy, Vantage
from tocsin.config.faults import Fault, FaultsError, did_you_mean
from tocsin.config.ledger import Ledger
from tocsin.config.retention import Retention
from tocsin.config.yamlfile import Document, Path_, parse_yaml, read_yaml
from tocsin.hiding import Secrets


class Tls(Section):
    """Certificate chain and private key, as PEM files."""

    certificate: Path = Field(description="the certificate chain")
    key: Path = Field(description="the private key")
    clients: Path | None = Field(
        None, description="certificates that sign those of clients: whoever connects must then show one"
    )


class Listen(Section):
    """Where Tocsin answers."""

    host: str = Field("127.0.0.1", description="address to listen on; anything but loopback needs tls")
    port: int = Field(8642, ge=0, le=65535, description="port; 0 picks a free one")
    tls: Tls | None = Field(None, description="certificate and key; TLS 1.2 and newer")
    plain_http: bool = Field(False, description="force plain HTTP on an address that is not loopback")
    body_mib: int = Field(16, ge=1, le=512, description="largest request body after decompression, in MiB")
    key_mib_per_second: int = Field(
        0, ge=0, description="what one collector key may bring, in MiB a second over ten seconds; 0 is any"
    )
    connections: int = Field(8192, ge=16, description="connections at once, half of them from one address at most")
    in_flight_mib: int = Field(128, ge=1, description="request bodies held at once, in MiB; more are answered 503")


class Reserve(Section):
    """Disk space that is left alone: below the smaller of the two nothing more is accepted."""

    percent: float = Field(10.0, ge=0, le=90, description="of the disk, in per cent")
    gib: float = Field(5.0, ge=0, description="in GiB")


class Detector(BaseModel):
    """Settings of one detector: its parameters by name, besides these."""

    model_config = ConfigDict(extra="allow", frozen=True)

    enabled: bool = Field(True, description="whether it runs")
    mode: Literal["shadow", "observe", "live"] | None = Field(
        None, description="override what its warm-up says: shadow and observe never page"
    )


class Tenant(Section):
    """Settings of one tenant."""

    mode: Literal["shadow", "observe", "live"] | None = Field(
        None, description="for all detectors, whatever their warm-up says: shadow and observe never page"
    )
    detectors: dict[str, Literal["shadow", "observe", "live"]] = Field(
        {}, description="the same by detector, which beats all other modes"
    )


class Sink(BaseModel):
    """One place that alerts go to; further keys are the options of its type."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(
        description="which sink: alertmanager, chat, elasticsearch, ocsf, opsgenie, pagerduty, slack, syslog, teams, "
        "terminal, webhook"
    )
    tenants: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="the tenants that its readers may see: of others' incidents it hears nothing, of those between "
        "tenants their own side",
    )


class Input(BaseModel):
    """Where events come from besides those who send them over HTTP; further keys are the options of its type."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(description="which input: files, syslog, kafka, webhook")


class Heartbeat(Section):
    """One request a minute to an outside service while everything is alive; it raises the alarm when they stay away."""

    url: Secret = Field(description="the address that the service gave, by reference since whoever has it can beat")
    every: float = Field(60.0, ge=1, le=3600, description="seconds between two of them")
    method: Literal["get", "post"] = Field("get", description="how the service is asked")
    headers: dict[str, Secret] = Field({}, description="further headers by name, such as Authorization, by reference")
    ca: Path | None = Field(None, description="authorities for the service's certificate, else the system's")
    timeout: float = Field(10.0, gt=0, le=60, description="seconds to wait for an answer")


class Logging(Section):
    """Tocsin's own log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level written")
    format: Literal["json", "text"] = Field("text", description="one JSON object a line, or text for people")


class Kafka(Section):
    """What the topics of a log on Kafka must be like; `tocsin topics` makes and checks them."""

    partitions: int = Field(
        8,
        ge=1,
        le=1024,
        description="partitions of the events, each for one worker at a time; changing it later loses the state, so "
        "take as many as there will ever be workers, or 1 where a second one is to stand by alone",
    )
    replication: int = Field(
        3,
        ge=1,
        le=9,
        description="replicas of each partition, of which all but one must have a record before it counts as written; "
        "1 where there is one broker, with whose disk what was accepted is lost",
    )
    retention_days: float = Field(30.0, gt=0, le=36500, description="days for which events are kept at least")
    session_seconds: float = Field(
        6.0, ge=1, le=300, description="silence after which a worker is taken for dead and its partitions go to others"
    )


class Encrypt(Section):
    """Encryption of the log (also on Kafka), snapshots, alerts (also on PostgreSQL), evidence and backups.

    AES-256-GCM under data keys, which the master key wraps: new ones each day, and each tenant its own, a month long,
    for the frames that are all about it. docs/ledger.md says what verifying then takes, docs/threat-model.md what stays
    in the clear.
    """

    key: Secret = Field(description="the master key by reference; `tocsin keys master FILE` makes one")
    previous: tuple[Secret, ...] = Field(
        (),
        description="master keys before it: until the next start wrapped the data directory's keys anew, and on Kafka "
        "for as long as what they protect is kept",
    )


class Config(Section):
    """Everything an operator may say; all of it is optional."""

    data: Path = Field(Path("tocsin-data"), description="the data directory")
    log: str = Field(
        "sqlite",
        pattern="^(sqlite$|kafka://)",
        description="what everything flows through: sqlite (in the data directory) or kafka://host:9092/prefix",
    )
    kafka: Kafka = Kafka()
    directory: Path | None = Field(None, description="the directory file (who is who); reloaded when it changes")
    listen: Listen = Listen()
    reserve: Reserve = Reserve()
    encrypt: Encrypt | None = Field(
        None, description="encryption at rest; without it files are readable by their owner"
    )
    detectors: dict[str, Detector] = Field({}, description="settings by detector name; all detectors run by default")
    tenants: dict[str, Tenant] = Field({}, description="settings by tenant, as the directory and events name it")
    inputs: dict[str, Input] = Field({}, description="where events are fetched from, by a name of your choice")
    identity: Identity = Identity()
    inspection: Inspection = Inspection()
    privacy: Privacy = Privacy()
    vantage: Vantage = Vantage()
    sinks: dict[str, Sink] = Field({}, description="where alerts go, by a name of your choice")
    alerting: Alerting = Alerting()
    ledger: Ledger = Ledger()
    retention: Retention = Retention()
    heartbeat: Heartbeat | None = Field(None, description="an external dead man's switch; none where it is left out")
    logging: Logging = Logging()
    mode: Literal["observe", "live"] = Field(
        "live", description="live pages people; observe decides everything and pages nobody"
    )
    snapshot_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        20.0, description="least time between two snapshots of the detectors' state, in seconds"
    )

    @field_validator("data", "directory", mode="after")
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        return value.expanduser() if value is not None else None


class Loaded:
    """A configuration with the file it came from, so that later checks can name its lines."""

    def __init__(self, config: Config, document: Document, base: Path) -> None:
        self.config = config
        self.document = document
        self.base = base
        self.secrets = Secrets()

    def path(self, value: Path) -> Path:
        """A path of the configuration: relative ones start at the configuration's own folder."""
        return value if value.is_absolute() else self.base / value

    def fault(self, path: Path_, what: str, hint: str = "") -> Fault:
        """A fault at a place of the configuration."""
        return self.document.fault(path, what, hint)


def load_config(path: Path | None) -> Loaded:
    """Read `tocsin.yaml`; without a path the default file if it exists, else the defaults.

    Raises FaultsError with every fault of the file.
    """
    if path is None:
        default = Path("tocsin.yaml")
        if not default.exists():
            return Loaded(Config(), Document("(defaults)", {}, {}), Path())
        path = default
    return from_document(read_yaml(path), path.parent)


def parse_config(text: str, file: str = "tocsin.yaml", base: Path | None = None) -> Loaded:
    """A configuration from text; raises FaultsError as `load_config` does."""
    return from_document(parse_yaml(text, file), base or Path())


def from_document(document: Document, base: Path) -> Loaded:
    """A configuration from a parsed file; raises FaultsError with every fault."""
    tree = document.tree if document.tree is not None else {}
    if not isinstance(tree, dict):
        raise FaultsError([document.fault((), "a configuration is a mapping", "start with `listen:` or `sinks:`")])
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        raise FaultsError([_fault(document, item) for item in error.errors()]) from None
    return Loaded(config, document, base)


def _fault(document: Document, item: Any) -> Fault:
    path: Path_ = tuple(item["loc"])
    if item["type"] == "extra_forbidden":
        model = _model_at(path[:-1])
        hint = did_you_mean(str(path[-1]), model.model_fields) if model is not None else ""
        return document.fault(path, "unknown key", hint)
    if item["type"] == "missing":
        return document.fault(path, "is missing")
    what = str(item["msg"]).removeprefix("Value error, ")
    return document.fault(path, what[0].lower() + what[1:])


def _model_at(path: Path_) -> type[BaseModel] | None:
    model: type[BaseModel] = Config
    for part in path:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        candidates = [inner, *getattr(inner, "__args__", ())]
        found = [kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not found:
            return None
        model = found[0]
    return model
