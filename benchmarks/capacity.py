"""How many partitions and workers a rate of events needs, and what breaks first, by the costs that were measured.

python benchmarks/capacity.py [--rate 1000000] [--event 12] [--seconds 700] …

Second by second, for every number of partitions: events come in waves and unevenly (the largest principal's share is
`--skew`), each partition folds what its worker's core allows, and nobody passes a boundary of five minutes before the
slowest has reached it. What is told is the least number of workers at which no backlog grows, how far behind events are
at most, and which of the parts is the busiest.
"""

import argparse
import json
import math
import random
from typing import NamedTuple

from detectors.engine.exchange import GATHERED, MOST_SHOWN, RECORDS

BOUNDARY = 300
"""Seconds between two boundaries."""
FRAME = 500
"""Events of a frame at receipt."""
PAUSE = 0.25
"""Seconds that passing a boundary takes: two trips through Kafka."""
BEARABLE = 2.0
"""Seconds that a partition may be behind."""
HEADROOM = 0.7
"""How much of a core may be planned with; the rest is for catching up after somebody died."""


class Costs(NamedTuple):
    """Microseconds of a core: an event folded, a record read or written, an event spread by a listener."""

    event: float
    record: float
    listen: float


class Plan(NamedTuple):
    """What a number of partitions comes to."""

    partitions: int
    workers: int
    listeners: int
    wide_records_per_second: int
    share_for_exchange: float
    behind_at_most_s: float
    busiest: str


def plan(rate: float, partitions: int, costs: Costs, skew: float, seconds: int) -> Plan | None:
    """The least workers for a rate on so many partitions; None where no number of them will do."""
    parts = rate / FRAME * min(partitions, FRAME)
    wide = _wide(rate, partitions)
    spent = (rate * costs.event + (parts + 2 * wide) * costs.record) / 1e6
    # One partition is one core's at most, and the partition of the largest principal has the most to do.
    hottest = spent * (1 - skew) / partitions + skew * rate * costs.event / 1e6
    if hottest > HEADROOM:
        return None
    for workers in range(math.ceil(spent / HEADROOM), partitions + 1):
        behind = _behind(rate, partitions, workers, spent / rate, skew, seconds)
        if behind <= BEARABLE:
            break
    else:
        return None
    exchange = 2 * wide * costs.record / 1e6 / spent
    busiest = "the exchange between partitions" if exchange > 0.5 else "folding"
    if hottest > 0.8 * HEADROOM:
        busiest = "the partition of the largest principal"
    listeners = math.ceil(rate * costs.listen / 1e6 / HEADROOM)
    return Plan(partitions, workers, listeners, round(wide), round(exchange, 2), round(behind, 2), busiest)


def _wide(rate: float, partitions: int) -> float:
    """Records a second that partitions send to owners, as `detectors.engine.exchange` gathers them."""
    if partitions == 1:
        return 0.0
    pairs = partitions**2
    return pairs * min(1 / min(MOST_SHOWN, max(GATHERED, pairs / RECORDS)), rate / FRAME)


def _behind(rate: float, partitions: int, workers: int, cost: float, skew: float, seconds: int) -> float:
    """The most seconds that a partition is behind, with waves of half as much again and pauses at boundaries."""
    chance = random.Random(1)  # noqa: S311  # the same every time
    shares = [(1 - skew) / partitions] * partitions
    shares[0] += skew
    backlog = [0.0] * partitions
    most = 0.0
    for second in range(seconds):
        wave = rate * (1 + 0.25 * math.sin(second / 60) + chance.uniform(-0.25, 0.25))
        work = 1.0 - (PAUSE if second % BOUNDARY == 0 else 0.0)
        for worker in range(workers):
            own = range(worker, partitions, workers)
            free = work / cost
            for number in sorted(own, key=lambda one: backlog[one]):
                backlog[number] += wave * shares[number]
                done = min(backlog[number], free)
                backlog[number] -= done
                free -= done
        most = max(most, *(left / (rate * share) for left, share in zip(backlog, shares, strict=True)))
    return most


def main() -> None:
    """Print a plan for each number of partitions that will do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--event", type=float, default=30.0, help="µs to fold, gather and merge an event")
    parser.add_argument("--record", type=float, default=120.0, help="µs to write or read a record with our code")
    parser.add_argument("--listen", type=float, default=8.0, help="µs to receive and spread an event")
    parser.add_argument("--skew", type=float, default=0.002, help="the largest principal's share of all events")
    parser.add_argument("--seconds", type=int, default=700)
    said = parser.parse_args()
    costs = Costs(said.event, said.record, said.listen)
    for rate in said.rate:
        for partitions in (1, 2, 4, 8, 16, 32, 48, 64, 96, 128):
            found = plan(rate, partitions, costs, said.skew, said.seconds)
            if found is not None:
                print(json.dumps({"rate": rate, **found._asdict()}))


if __name__ == "__main__":
    main()
