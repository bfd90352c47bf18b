"""From configuration to parts: everything that can be wrong is found here, before anything starts."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alerting import discovery as sink_discovery
from alerting.deciding.policy import HOUR, Policies
from alerting.delivering.walled import walled
from alerting.routing.budget import Budget
from alerting.routing.route import Routes
from alerting.runbook import Runbooks
from alerting.sink import Sink
from alerting.wording.message import Messages
from alerting.wording.texts import Texts
from collector.enrich import Options as EnrichOptions
from detectors import discovery as detector_discovery
from detectors.base import AnyDetector
from stream.control import Warmth
from stream.directory import EMPTY, Directory
from stream.encryption.keys import Master
from stream.errors import StorageError, TocsinError, UnavailableError
from tocsin.config.directory_file import read_directory
from tocsin.config.faults import Fault, FaultsError, did_you_mean
from tocsin.config.options import convert_options, read_secret
from tocsin.config.whole import Config, Loaded, load_config
from tocsin.containment.containing import containment_of
from tocsin.hiding import Secrets
from tocsin.learning.modes import faults_of as modes_faults
from tocsin.learning.modes import modes_of
from tocsin.receiving.enriching import options_of as enrich_options
from tocsin.receiving.inputs import InputPlan, plans_of
from tocsin.routing import repeat_of, routes_of, targets_of
from tocsin.secrecy.discreet import discreet
from tocsin.secrecy.encryption import masters_of
from tocsin.upkeep.heartbeat import HeartbeatPlan, heartbeat_of

GIB: Final = 1024**3
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class SinkPlan:
    """A sink that can be made: its configured name, class and options.

    `wall` has the tenants that its readers may see alone, and who writes what these read.
    """

    name: str
    kind: type[Any]
    options: Any
    secrets: Secrets
    wall: tuple[frozenset[str], Texts] | None = None

    @property
    def pager(self) -> bool:
        """Whether it wakes a person, so that it hears of pages alone."""
        return bool(getattr(self.options, "pager", self.kind.pager))

    def make(self) -> Sink:
        """The sink itself."""
        sink: Sink = self.kind(self.options)
        if self.wall is not None:
            sink = walled(sink, *self.wall)
        return discreet(sink, self.secrets)


@dataclass(frozen=True, slots=True)
class Ready:
    """A configuration that was found good, and the parts that it asks for."""

    loaded: Loaded
    data: Path
    directory: Directory
    directory_path: Path | None
    directory_digest: str
    detectors: tuple[AnyDetector, ...]
    modes: tuple[Warmth, ...]
    inputs: tuple[InputPlan, ...]
    enrich: EnrichOptions
    sinks: tuple[SinkPlan, ...]
    heartbeat: HeartbeatPlan | None
    policies: Policies
    routes: Routes
    database: str
    masters: tuple[Master, ...] = ()

    @property
    def config(self) -> Config:
        """What the operator said."""
        return self.loaded.config


def prepare(config: Path | None, data: Path | None = None) -> Ready:
    """Read a configuration and all that it names.

    Raises FaultsError with every fault of the configuration and the directory together.
    """
    return assemble(load_config(config), data)


def assemble(loaded: Loaded, data: Path | None = None, *, sinks: bool = True) -> Ready:
    """The parts that a configuration asks for, without its inputs and sinks where nothing is fetched and sent.

    Raises FaultsError as `prepare` does.
    """
    faults: list[Fault] = []
    said = loaded.config
    folder = data or loaded.path(said.data)
    directory, directory_path, digest = EMPTY, None, ""
    if said.directory is not None:
        directory_path = loaded.path(said.directory)
        try:
            directory, digest = read_directory(directory_path)
        except FaultsError as error:
            faults += error.faults
    detectors = _detectors(loaded, faults)
    inputs = plans_of(loaded, faults) if sinks else ()
    enrich = enrich_options(loaded, folder, faults)
    plans = _sinks(loaded, faults) if sinks else ()
    heartbeat = heartbeat_of(loaded, faults) if sinks else None
    faults += modes_faults(loaded, detector_discovery.detector_names())
    faults += _listening(loaded)
    containment = containment_of(loaded, faults)
    routes = Routes()
    if sinks and len(plans) == len(said.sinks):
        try:
            routes = routes_of(loaded, {plan.name: plan.pager for plan in plans})
        except FaultsError as error:
            faults += error.faults
    database = f"sqlite:///{folder / 'alerts.sqlite'}"
    if said.alerting.database is not None and sinks:
        try:
            database = read_secret(loaded, ("alerting", "database"), said.alerting.database)
        except FaultsError as error:
            faults += error.faults
    masters = masters_of(loaded, faults)
    if faults:
        raise FaultsError(faults)
    return Ready(
        loaded=loaded,
        data=folder,
        directory=directory,
        directory_path=directory_path,
        directory_digest=digest,
        detectors=detectors,
        modes=modes_of(said),
        inputs=inputs,
        enrich=enrich,
        sinks=plans,
        heartbeat=heartbeat,
        policies=Policies(
            page_from=said.alerting.page_from,
            observe=said.mode == "observe",
            budget=Budget(pages=said.alerting.budget.pages, window=said.alerting.budget.hours * HOUR),
            targets=targets_of(said.alerting),
            repeat=repeat_of(said.alerting),
            containment=containment,
        ),
        routes=routes,
        database=database,
        masters=masters,
    )


def reserve(ready: Ready) -> int:
    """Bytes of the data directory's disk that stay free of events; the directory is made where it is missing."""
    try:
        ready.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        total = shutil.disk_usage(ready.data).total
    except OSError as error:
        raise StorageError(
            f"the data directory cannot be made ({error.strerror})",
            where=str(ready.data),
            hint="name one with --data or `data:` that this user may write",
        ) from error
    said = ready.config.reserve
    return int(min(total * said.percent / 100, said.gib * GIB))


def _listening(loaded: Loaded) -> list[Fault]:
    listen = loaded.config.listen
    faults = []
    if listen.host not in LOOPBACK and listen.tls is None and not listen.plain_http:
        hint = "give listen.tls a certificate and a key, or force it with plain_http: true behind a TLS proxy"
        faults.append(loaded.fault(("listen", "host"), "plain HTTP is for loopback only", hint))
    if listen.tls is not None:
        for name in ("certificate", "key", "clients"):
            said = getattr(listen.tls, name)
            if said is not None and not (path := loaded.path(said)).is_file():
                faults.append(loaded.fault(("listen", "tls", name), f"there is no file {path}"))
    return faults


def _detectors(loaded: Loaded, faults: list[Fault]) -> tuple[AnyDetector, ...]:
    names = detector_discovery.detector_names()
    said = loaded.config.detectors
    faults += [
        loaded.fault(("detectors", name), "there is no such detector", did_you_mean(name, names))
        for name in said
        if name not in names
    ]
    made: list[AnyDetector] = []
    for name in names:
        section = said.get(name)
        if section is not None and not section.enabled:
            continue
        try:
            kind = detector_discovery.load_detector(name)
        except TocsinError as error:
            faults.append(loaded.fault(("detectors", name), error.what, error.hint))
            continue
        given = dict(section.__pydantic_extra__ or {}) if section is not None else {}
        made.append(kind(_parameters(loaded, name, kind, given, faults)))
    return tuple(made)


def _parameters(
    loaded: Loaded, name: str, kind: type[AnyDetector], given: dict[str, Any], faults: list[Fault]
) -> dict[str, float]:
    knobs = {knob.name: knob for knob in kind.spec.parameters}
    good: dict[str, float] = {}
    for key, value in given.items():
        path = ("detectors", name, key)
        if key not in knobs:
            known = {*knobs, "enabled", "mode"}
            faults.append(loaded.fault(path, "this detector has no such parameter", did_you_mean(key, known)))
        elif isinstance(value, bool) or not isinstance(value, int | float):
            faults.append(loaded.fault(path, f"a number of {knobs[key].unit} is needed"))
        elif not knobs[key].low <= value <= knobs[key].high:
            what = f"must be between {knobs[key].low:g} and {knobs[key].high:g} {knobs[key].unit}"
            faults.append(loaded.fault(path, what, knobs[key].meaning))
        else:
            good[key] = float(value)
    return good


def _sinks(loaded: Loaded, faults: list[Fault]) -> tuple[SinkPlan, ...]:
    plans = []
    names = sink_discovery.sink_names()
    texts: Texts | None = None
    for name, section in loaded.config.sinks.items():
        path = ("sinks", name)
        if section.type not in names:
            faults.append(
                loaded.fault(
                    (*path, "type"), f"there is no sink of type '{section.type}'", did_you_mean(section.type, names)
                )
            )
            continue
        try:
            kind = sink_discovery.load_sink(section.type)
        except UnavailableError as error:
            faults.append(loaded.fault((*path, "type"), error.what, error.hint))
            continue
        options, wrong = convert_options(loaded, path, dict(section.__pydantic_extra__ or {}), kind.Options)
        if not wrong and getattr(options, "events", None) is not None and loaded.config.log != "sqlite":
            hint = "leave `events` out, and have another consumer of the events topic send them"
            wrong.append(loaded.fault((*path, "events"), "events are only sent from a log in the data directory", hint))
        if not wrong and getattr(options, "events", None) is not None and section.tenants is not None:
            hint = "send events by a sink without `tenants`, into an index of those who may see them all"
            wrong.append(loaded.fault((*path, "events"), "events are sent of every tenant", hint))
        faults += wrong
        if not wrong:
            wall = None
            if section.tenants is not None:
                texts = texts or Messages(Runbooks())
                wall = (frozenset(section.tenants), texts)
            plans.append(SinkPlan(name, kind, options, loaded.secrets, wall))
    return tuple(plans)
