"""Floods, slow clients and bombs: bounded, and other producers are served meanwhile (their latency is printed)."""

import gzip
import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from collector.keys import FILE, create_key
from tests.tocsin.lines import line
from tests.tocsin.program import DEADLINE, Program, until
from tocsin.connections import HEADERS

ROUNDS = 40


class Producer:
    """Somebody with a key of their own."""

    def __init__(self, program: Program, **scope: tuple[str, ...]) -> None:
        self._key = create_key(program.data / FILE, 1.0, **scope)[1]  # type: ignore[arg-type]  # what keys are bound to
        self._http = httpx.Client(base_url=program.listening(), timeout=DEADLINE)

    def send(self, body: bytes, **headers: str) -> httpx.Response:
        """Post a body."""
        said = {"authorization": f"Bearer {self._key}", "content-type": "application/x-ndjson", **headers}
        return self._http.post("/v1/events", content=body, headers=said)

    def close(self) -> None:
        """Hang up."""
        self._http.close()


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A Tocsin with small bounds."""
    listen = {"port": 0, "body_mib": 2, "in_flight_mib": 8, "connections": 64, "key_mib_per_second": 1}
    with Program(tmp_path_factory.mktemp("limited"), {"listen": listen}) as program:
        yield program.ready()


def latencies(producer: Producer) -> list[float]:
    """Milliseconds until a small body is durable, of many in a row; each must be."""
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        answer = producer.send(json.dumps(line(time.time())).encode())
        taken.append((time.perf_counter() - begin) * 1000)
        assert answer.status_code == 200, answer.text
        assert answer.json()["accepted"] == 1
    return sorted(taken)


def told(what: str, taken: list[float]) -> None:
    print(f"other producers, {what}: p50 {statistics.median(taken):.1f} ms, p99 {taken[-1]:.1f} ms over {len(taken)}")


@contextmanager
def meanwhile(work: Callable[[threading.Event], None], count: int) -> Iterator[threading.Event]:
    """Threads that do something again and again until the end."""
    ending = threading.Event()
    threads = [threading.Thread(target=work, args=(ending,), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield ending
    finally:
        ending.set()
        for thread in threads:
            thread.join(DEADLINE)


def test_a_flood_from_one_key_is_held_to_its_quota_and_costs_others_no_event(limited: Program) -> None:
    good = Producer(limited)
    quiet = latencies(good)
    statuses: list[int] = []
    body = b"\n".join(json.dumps(line(time.time())).encode() for _ in range(3_000))
    scope = create_key(limited.data / FILE, 1.0)[1]

    def flood(ending: threading.Event) -> None:
        with httpx.Client(base_url=limited.listening(), timeout=DEADLINE) as http:
            said = {"authorization": f"Bearer {scope}", "content-type": "application/x-ndjson"}
            while not ending.is_set():
                statuses.append(http.post("/v1/events", content=body, headers=said).status_code)

    with meanwhile(flood, 4):
        until(lambda: 429 in statuses, "the flood is held back")
        flooded = latencies(good)
    told("quiet", quiet)
    told("under a flood", flooded)
    assert set(statuses) <= {200, 429}
    assert sum(status == 200 for status in statuses) * len(body) < 64 * 1024 * 1024
    good.close()


def test_a_bomb_is_refused_by_what_it_becomes_and_others_are_served(limited: Program) -> None:
    bomb = gzip.compress(b" " * 200 * 1024 * 1024)
    good, bad = Producer(limited), Producer(limited)
    statuses: list[int] = []

    def explode(ending: threading.Event) -> None:
        while not ending.is_set():
            statuses.append(bad.send(bomb, **{"content-encoding": "gzip"}).status_code)

    with meanwhile(explode, 1):
        until(lambda: statuses, "a bomb was answered")
        told("under bombs", latencies(good))
    assert set(statuses) == {413}
    for one in (good, bad):
        one.close()


def test_names_made_up_without_end_are_held_to_their_senders_quota_and_others_are_served(limited: Program) -> None:
    good, bad = Producer(limited), Producer(limited)
    statuses: list[int] = []
    numbers = count()

    def invent(ending: threading.Event) -> None:
        while not ending.is_set():
            made = [
                line(
                    time.time(),
                    user=f"u{at}",
                    source_ip=f"10.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}",
                    target=f"t{at}",
                )
                for at in (next(numbers) for _ in range(1_000))
            ]
            statuses.append(bad.send(b"\n".join(json.dumps(one).encode() for one in made)).status_code)

    with meanwhile(invent, 1):
        until(lambda: statuses.count(200) >= 3, "names were made up")
        told("beside names made up without end", latencies(good))
    assert set(statuses) <= {200, 429}
    limited.settled()
    for one in (good, bad):
        one.close()


def test_slow_clients_are_hung_up_on_and_others_are_served(limited: Program) -> None:
    place = urlsplit(limited.listening())
    good = Producer(limited)
    assert good.send(json.dumps(line(time.time())).encode()).status_code == 200
    with ExitStack() as open_:
        slow = []
        for number in range(48):
            try:
                sock = open_.enter_context(socket.create_connection((place.hostname, place.port), timeout=DEADLINE))
                sock.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\n" if number % 2 else b"")
                slow.append(sock)
            except OSError:
                continue
        told("beside slow clients", latencies(good))
        begin = time.monotonic()
        for sock in slow:
            sock.settimeout(HEADERS * 3)
            try:
                assert sock.recv(1) == b""
            except ConnectionResetError:
                continue
        assert time.monotonic() - begin < HEADERS * 3
    good.close()


def test_no_address_has_all_the_connections(limited: Program) -> None:
    place = urlsplit(limited.listening())
    with ExitStack() as open_:
        ended = 0
        for _ in range(80):
            sock = open_.enter_context(socket.create_connection((place.hostname, place.port), timeout=DEADLINE))
            sock.settimeout(0.2)
            try:
                ended += sock.recv(1) == b""
            except ConnectionResetError:
                ended += 1
            except TimeoutError:
                continue
        assert ended >= 40, "half of them at most"


# Whose word it is


def test_nobody_speaks_for_another_tenant_server_or_producer(limited: Program) -> None:
    scoped = Producer(limited, tenants=("acme",), servers=("crm",), producers=("gw",))
    good = line(time.time(), producer="gw", run="1", seq=1)
    for wrong in ({"tenant": "globex"}, {"server": "erp"}, {"producer": "other"}, {"producer": None}):
        answer = scoped.send(json.dumps({**good, **wrong}).encode())
        assert answer.status_code == 400, wrong
        assert "scope" in answer.json()["rejected"][0]["error"]
    assert scoped.send(json.dumps(good).encode()).json()["accepted"] == 1
    scoped.close()


def test_nobody_uses_up_anothers_numbers_and_a_replay_counts_once(limited: Program) -> None:
    thief, owner = Producer(limited), Producer(limited)
    lines = [json.dumps(line(time.time(), producer="p", run="r", seq=seq, id=None)).encode() for seq in range(50)]
    body = b"\n".join(lines)
    assert thief.send(body).json()["accepted"] == 50
    assert owner.send(body).json()["accepted"] == 50, "the owner's own still count"
    again = owner.send(body)
    assert (again.status_code, again.json()["accepted"], again.json()["duplicates"]) == (200, 0, 50)
    for one in (thief, owner):
        one.close()


def test_after_all_that_it_runs_without_a_fault(limited: Program, tmp_path: Path) -> None:
    assert limited.http().get("/readyz").is_success
    assert "Traceback" not in limited.said()
