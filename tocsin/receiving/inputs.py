"""The configured inputs: planned with the configuration, run beside the stages, told in status and metrics."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from starlette.routing import Route

from collector.discovery import load_format
from collector.enrich import Enricher
from collector.format import Format
from collector.input import Feed, Scope, State
from collector.input_discovery import input_names, load_input
from collector.observer import Observer
from collector.push.pushed import Pushed
from collector.tally import Tallies, Tally
from stream.errors import ConfigError, TocsinError, UnavailableError
from stream.log import Log
from tocsin.config.faults import Fault, did_you_mean
from tocsin.config.options import convert_options
from tocsin.config.whole import Loaded
from tocsin.workers import Worker

logger = logging.getLogger("tocsin.inputs")

OWN: Final = frozenset({"events", "otlp", "hec", "cloudevents"})
"""The inputs that are always there; what is configured has other names."""

MakeWorker = Callable[[str, Callable[[], object]], Worker]


@dataclass(frozen=True, slots=True)
class InputPlan:
    """An input that can be made: its configured name, class, options and the formats of its records."""

    name: str
    kind: type[Any]
    options: Scope
    forms: Mapping[str, Format]

    @property
    def pushed(self) -> bool:
        """Whether others send to it over HTTP, so that it has a route and no thread."""
        return not hasattr(self.kind, "turn")


def plans_of(loaded: Loaded, faults: list[Fault]) -> tuple[InputPlan, ...]:
    """The inputs that a configuration asks for; what is wrong with them is added to the faults."""
    plans = []
    names = input_names()
    for name, section in loaded.config.inputs.items():
        path = ("inputs", name)
        if name in OWN or not name.replace("-", "").replace("_", "").isalnum():
            hint = f"letters, digits, '-' and '_', and none of {', '.join(sorted(OWN))}"
            faults.append(loaded.fault(path, "an input cannot be called so", hint))
            continue
        if section.type not in names:
            what = f"there is no input of type '{section.type}'"
            faults.append(loaded.fault((*path, "type"), what, did_you_mean(section.type, names)))
            continue
        try:
            kind = load_input(section.type)
        except UnavailableError as error:
            faults.append(loaded.fault((*path, "type"), error.what, error.hint))
            continue
        options, wrong = convert_options(loaded, path, dict(section.__pydantic_extra__ or {}), kind.Options)
        if not wrong:
            options = options.placed(lambda each: str(loaded.path(Path(each))))
            wrong = [loaded.fault(path, what) for what in options.faults()]
        forms: dict[str, Format] = {}
        for form in options.formats if options is not None else ():
            try:
                forms[form] = load_format(form)
            except (ConfigError, UnavailableError) as error:
                wrong.append(loaded.fault((*path, "format"), error.what, error.hint))
        faults += wrong
        if not wrong:
            plans.append(InputPlan(name, kind, options, forms))
    return tuple(plans)


class Inputs:
    """The inputs of one process at work.

    `state` keeps how far they are; `replay` is the log where it can tell what became durable after that was kept.
    """

    def __init__(
        self,
        plans: Iterable[InputPlan],
        *,
        log: Log,
        state: State,
        replay: Log | None,
        observer: Observer,
        clock: Callable[[], float],
        worker: MakeWorker,
        registry: CollectorRegistry,
        enrich: Callable[[], Enricher] | None = None,
    ) -> None:
        self.tallies = Tallies(told=observer.rejected)
        self._plans = tuple(plans)
        registry.register(_Counts(self.tallies))
        self._running: list[_Running] = []
        self.workers: list[Worker] = []
        for plan in self._plans:
            tally = self.tallies[plan.name]
            if not plan.pushed:
                feed = Feed(
                    plan.name,
                    plan.options,
                    plan.forms,
                    log=log,
                    state=state,
                    replay=replay,
                    observer=observer,
                    tally=tally,
                    clock=clock,
                    enrich=enrich() if enrich is not None else None,
                )
                running = _Running(plan.kind(plan.options, feed))
                self._running.append(running)
                self.workers.append(worker(f"input {plan.name}", running.turn))

    def routes(self, pushed: Pushed) -> list[Route]:
        """Those of the inputs that others send to."""
        plans = [plan for plan in self._plans if plan.pushed]
        return [plan.kind(plan.name, plan.options, next(iter(plan.forms.values())), pushed).route for plan in plans]

    def summary(self) -> dict[str, Any]:
        """What each received, accepted and refused."""
        types = {plan.name: plan.kind.kind for plan in self._plans}
        return {tally.name: {"type": types.get(tally.name, tally.name), **tally.summary()} for tally in self.tallies}

    def wake(self) -> None:
        """End all waits, so that the workers can end."""
        for running in self._running:
            running.input.wake()

    def close(self) -> None:
        """Take in what had come, and give everything back; after the workers have ended."""
        for running, worker in zip(self._running, self.workers, strict=True):
            try:
                running.close()
            except TocsinError as error:
                # What a sender without answers had sent cannot be kept now; the others still end in good order.
                logger.warning("what had come could not be stored: %s", error, extra={"stage": worker.name})


class _Running:
    """An input that is opened with its first turn, so that what is not there yet is waited for."""

    def __init__(self, input_: Any) -> None:
        self.input = input_
        self._open = False

    def turn(self) -> None:
        if not self._open:
            self.input.open()
            self._open = True
        self.input.turn()

    def close(self) -> None:
        if self._open:
            self.input.close()


class _Counts(Collector):
    """The tallies as Prometheus has them."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Counters by input, and by reason where records were refused."""
        records = CounterMetricFamily(
            "tocsin_input_records", "What inputs took in, by input and result", labels=["input", "result"]
        )
        refused = CounterMetricFamily(
            "tocsin_input_refused", "What inputs refused, by input and reason", labels=["input", "reason"]
        )
        for tally in self._tallies:
            _count(tally, records, refused)
        yield records
        yield refused


def _count(tally: Tally, records: CounterMetricFamily, refused: CounterMetricFamily) -> None:
    summary = tally.summary()
    for result in ("received", "accepted", "duplicates"):
        records.add_metric([tally.name, result], summary[result])
    for reason, count in summary["refused"].items():
        refused.add_metric([tally.name, reason], count)
