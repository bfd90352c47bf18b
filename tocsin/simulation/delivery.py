"""Delivery: producers number and time events, ship them in batches, twice now and then, late after an outage."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Final

import msgspec

from tocsin.simulation.season import DAY
from tocsin.simulation.seeds import derive
from tocsin.simulation.servers import IDENTITY, SERVERS
from tocsin.simulation.world import Moment

_ENCODER: Final = msgspec.json.Encoder()
_DRAIN: Final = 0.02
"""Seconds of delivery per second of outage: a spool drains fifty times faster than it filled."""


@dataclass(slots=True)
class Producer:
    """One worker of an MCP server that writes audit events.

    `skew` is how far its clock is off, `flush` how often it ships, both in seconds; `outages` are the stretches in
    which it could not ship and spooled.
    """

    name: str
    rng: Random
    skew: float = 0.0
    flush: float = 2.0
    ids: bool = False
    epoch: bool = False
    capped: int | None = None
    sample: float = 1.0
    outages: list[tuple[float, float]] = field(default_factory=list)
    run: str = ""
    seq: int = 0
    restart: float = 0.0

    def ships(self, time: float) -> float:
        """When an event of this moment leaves for Tocsin."""
        for start, end in self.outages:
            if start <= time < end:
                return end + (time - start) * _DRAIN
        delay = self.flush - time % self.flush
        if self.rng.random() < 0.001:
            delay += self.rng.random() * 60
        return time + delay + 0.02

    def number(self, time: float) -> None:
        """Count one event; a restart begins a new run."""
        if time >= self.restart:
            self.run = f"{self.rng.getrandbits(32):08x}"
            self.seq = 0
            self.restart = time + (4 + 10 * self.rng.random()) * DAY
        self.seq += 1


def producers(seed: int, *, sampled: bool = False) -> dict[str, list[Producer]]:
    """The producers of each server: two workers for the busy ones, a gateway with ids of its own for some."""
    result: dict[str, list[Producer]] = {}
    for number, server in enumerate([*(it.name for it in SERVERS), IDENTITY]):
        rng = derive(seed, "producers", server)
        workers = 2 if number % 3 == 0 else 1
        result[server] = [
            Producer(
                f"{server}-{worker}",
                derive(seed, "producer", server, worker),
                skew=rng.gauss(0, 0.6) if number % 4 else rng.uniform(-18, 18),
                flush=rng.choice((1.0, 2.0, 5.0)),
                ids=number % 3 == 1,
                epoch=number % 4 == 2,
                capped=65_536 if server == "docs" else None,
                sample=0.1 if sampled and server == "status" else 1.0,
            )
            for worker in range(workers)
        ]
    return result


class Delivery:
    """Turns moments in true-time order into lines in the order of their arrival.

    Memory holds what is under way: seconds of traffic, and the spools of producers in an outage. `until(now)` gives the
    lines that have arrived by then; every later moment arrives later.
    """

    def __init__(self, producers: dict[str, list[Producer]], seed: int, duplicates: float = 0.0005) -> None:
        self._producers = producers
        self._rng = derive(seed, "delivery")
        self._duplicates = duplicates
        self._under_way: dict[int, list[tuple[float, int, bytes]]] = {}
        self._day = -1
        self._prefix = ""
        self._count = 0

    def push(self, moment: Moment) -> None:
        """Number, time and encode one event, and send it off."""
        time, event, label = moment
        workers = self._producers[event["server"]]
        producer = workers[0] if len(workers) == 1 else workers[self._rng.random() < 0.35]
        if producer.sample < 1.0:
            if self._rng.random() >= producer.sample:
                return
            event["sample_rate"] = producer.sample
        producer.number(time)
        written = time + producer.skew + event.pop("shift", 0.0)
        event["time"] = int(written * 1000) if producer.epoch else self._text(written)
        event["producer"] = producer.name
        event["run"] = producer.run
        event["seq"] = producer.seq
        if "response_bytes" in event:
            if producer.capped is not None and event["response_bytes"] >= producer.capped:
                event["response_bytes"] = producer.capped
                event["bytes_quality"] = "capped"
            else:
                event["bytes_quality"] = "exact"
        if producer.ids:
            identity = f"{producer.name}.{producer.run}.{producer.seq:x}"
            event["id"] = identity
        else:
            identity = f"{producer.name}/{producer.run}/{producer.seq}"
        if label is not None:
            label.note(identity, int(written * 1000) / 1000 if producer.epoch else int(written * 1e6) / 1e6)
        line = _ENCODER.encode(event)
        arrives = producer.ships(time)
        self._send(arrives, line)
        if self._rng.random() < self._duplicates:
            self._send(arrives + 1 + 20 * self._rng.random(), line)

    def until(self, now: float) -> Iterator[bytes]:
        """The lines that arrived before `now` in seconds since the epoch, in order."""
        ready = [second for second in self._under_way if second < int(now)]
        for second in sorted(ready):
            for _, _, line in sorted(self._under_way.pop(second)):
                yield line

    def rest(self) -> Iterator[bytes]:
        """Everything that is still under way."""
        yield from self.until(float("1e12"))

    def _send(self, arrives: float, line: bytes) -> None:
        self._count += 1
        self._under_way.setdefault(int(arrives), []).append((arrives, self._count, line))

    def _text(self, time: float) -> str:
        second = int(time)
        day, clock = divmod(second, DAY)
        if day != self._day:
            self._day = day
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT")
        hours, rest = divmod(clock, 3600)
        micros = int((time - second) * 1e6)
        return f"{self._prefix}{hours:02d}:{rest // 60:02d}:{rest % 60:02d}.{micros:06d}Z"
