from collections.abc import Iterator

import msgspec

from tocsin.simulation.delivery import Delivery, Producer
from tocsin.simulation.label import Label
from tocsin.simulation.seeds import derive
from tocsin.simulation.world import Moment

START = 1_780_000_000.0


def _delivery(producer: Producer, duplicates: float = 0.0) -> Delivery:
    return Delivery({"crm": [producer]}, 1, duplicates)


def _moments(count: int, gap: float = 1.0) -> Iterator[Moment]:
    for number in range(count):
        yield Moment(START + number * gap, {"server": "crm", "method": "tools/call", "response_bytes": 10})


def test_an_outage_holds_events_back_and_drains_them_in_order() -> None:
    delivery = _delivery(Producer("p", derive(1, "p"), flush=1.0, outages=[(START + 10, START + 100)]))
    for moment in _moments(50):
        delivery.push(moment)
    assert len(list(delivery.until(START + 60))) == 10
    rest = [msgspec.json.decode(line)["seq"] for line in delivery.rest()]
    assert rest == list(range(11, 51))


def test_duplicates_are_the_same_line_and_come_later() -> None:
    delivery = _delivery(Producer("p", derive(1, "p")), duplicates=1.0)
    for moment in _moments(20):
        delivery.push(moment)
    lines = list(delivery.rest())
    assert len(lines) == 40
    assert len(set(lines)) == 20


def test_a_restart_begins_a_new_run_at_number_one() -> None:
    producer = Producer("p", derive(1, "p"))
    delivery = _delivery(producer)
    for moment in _moments(30, gap=86_400.0):
        delivery.push(moment)
    runs: dict[str, list[int]] = {}
    for line in delivery.rest():
        event = msgspec.json.decode(line)
        runs.setdefault(event["run"], []).append(event["seq"])
    assert len(runs) > 1
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in runs.values())


def test_a_skewed_clock_is_in_the_event_and_in_the_label() -> None:
    delivery = _delivery(Producer("p", derive(1, "p"), skew=-17.0))
    label = Label("x", "brute", "brute", {"user": "u"})
    delivery.push(Moment(START, {"server": "crm", "method": "tools/call"}, label))
    event = msgspec.json.decode(next(delivery.rest()))
    assert label.start == START - 17
    assert event["time"].startswith("2026-05-28T20:26:23")
    assert label.event_ids == [f"p/{event['run']}/1"]


def test_a_capped_answer_says_that_it_was_capped() -> None:
    delivery = _delivery(Producer("p", derive(1, "p"), capped=5))
    for moment in _moments(1):
        delivery.push(moment)
    event = msgspec.json.decode(next(delivery.rest()))
    assert (event["response_bytes"], event["bytes_quality"]) == (5, "capped")


def test_a_sampled_source_says_its_rate_on_what_it_keeps() -> None:
    delivery = _delivery(Producer("p", derive(1, "p"), sample=0.5))
    for moment in _moments(200):
        delivery.push(moment)
    kept = [msgspec.json.decode(line) for line in delivery.rest()]
    assert 60 < len(kept) < 140
    assert {it["sample_rate"] for it in kept} == {0.5}
