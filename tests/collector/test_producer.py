"""Producers are told rules and denials at once, each key what concerns it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from collector.keys import Key
from collector.limits import Limits
from collector.producer import Told, document, standing
from stream.control import Denied
from stream.directory import EMPTY, Directory, from_builtins

NOW = 1_763_700_000.0
DIRECTORY: Directory = from_builtins(
    {
        "ownership": [{"server": "billing", "uri": "crm://{tenant}/**"}, {"argument": "customer_id"}],
        "identity": [{"claim": "org_id"}, {"claim": "org", "server": "search"}],
    }
)


def denial(name: str, until: float = NOW + 60, **subject: str) -> Denied:
    return Denied(id=name, subject=subject or {"token": "k:1"}, until=until, incident="i")


def key(**scope: Any) -> Key:
    return Key(id="k", hash="", created=0.0, **scope)


def ask(site: Any, text: str, wait: float | None = None, etag: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {text}"} | ({"If-None-Match": etag} if etag else {})
    query = "" if wait is None else f"?wait={wait}"
    return httpx.get(f"{site.url}/v1/producer{query}", headers=headers, timeout=30)


def test_the_document_says_everything_a_producer_needs(site: Any) -> None:
    site.told = Told(DIRECTORY, [denial("d", user="u", tenant="acme")])
    answer = ask(site, site.key())
    body = answer.json()
    assert answer.headers["ETag"] == f'"{body.pop("version")}"'
    assert body == {
        "ownership": [{"server": "billing", "uri": "crm://{tenant}/**"}, {"argument": "customer_id"}],
        "identity": [{"claim": "org_id"}, {"claim": "org", "server": "search"}],
        "denials": [
            {
                "id": "d",
                "subject": {"user": "u", "tenant": "acme"},
                "until": "2025-11-21T04:41:00.000000Z",
                "incident": "i",
                "mode": "deny",
            }
        ],
        "heartbeat_s": 15,
    }


def test_a_poll_without_a_change_is_a_304_after_its_wait_and_not_before(site: Any) -> None:
    text = site.key()
    etag = ask(site, text).headers["ETag"]
    assert ask(site, text, etag=etag).status_code == 304
    begin = time.monotonic()
    answer = ask(site, text, 0.4, etag)
    assert (answer.status_code, answer.headers["ETag"], answer.content) == (304, etag, b"")
    assert time.monotonic() - begin >= 0.4


def test_a_waiting_poll_hears_of_a_denial_within_a_second_and_of_its_end(site: Any) -> None:
    text = site.key()
    etag = ask(site, text).headers["ETag"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, site, text, 25.0, etag)
        time.sleep(0.1)
        assert not waiting.done()
        begin = time.monotonic()
        site.told = Told(EMPTY, [denial("d")])
        answer = waiting.result(10)
        assert time.monotonic() - begin < 1.0
        assert answer.json()["denials"][0]["id"] == "d"
        waiting = pool.submit(ask, site, text, 25.0, answer.headers["ETag"])
        time.sleep(0.1)
        site.now = NOW + 61
        assert waiting.result(10).json()["denials"] == []


def test_an_unknown_version_is_answered_at_once(site: Any) -> None:
    assert ask(site, site.key(), 25.0, '"old"').status_code == 200


def test_closing_lets_waiting_producers_go(site: Any) -> None:
    text = site.key()
    etag = ask(site, text).headers["ETag"]
    timer = threading.Timer(0.1, site.listener.close)
    timer.start()
    begin = time.monotonic()
    assert ask(site, text, 25.0, etag).status_code == 304
    assert time.monotonic() - begin < 10
    timer.join()


def test_waits_are_bounded_in_length_and_number(open_site: Any) -> None:
    with open_site(Limits(poll_seconds=0.2)) as site:
        text = site.key()
        etag = ask(site, text).headers["ETag"]
        assert ask(site, text, 1e9, etag).status_code == 304
        refused = httpx.get(f"{site.url}/v1/producer?wait=-1", headers={"Authorization": f"Bearer {text}"})
        assert (refused.status_code, "wait" in refused.json()["error"]) == (400, True)
    with open_site(Limits(polls=0)) as site:
        text = site.key()
        etag = ask(site, text).headers["ETag"]
        answer = ask(site, text, 1, etag)
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


def test_who_holds_no_key_is_told_nothing(site: Any) -> None:
    assert httpx.get(f"{site.url}/v1/producer").status_code == 401


def test_a_key_hears_only_of_its_servers_and_tenants() -> None:
    told = Told(DIRECTORY, [denial("a", tenant="acme"), denial("g", tenant="globex"), denial("t", token="k:2")])
    body = document(told, key(servers=("search",), tenants=("acme",)), NOW).body
    assert b"crm://" not in body
    assert b"customer_id" in body
    assert b'"org"' in body
    assert b'"id":"a"' in body
    assert b'"id":"t"' in body
    assert b"globex" not in body


def test_the_last_word_on_a_denial_counts() -> None:
    first, longer, lifted = denial("d"), denial("d", NOW + 600), denial("d", 0)
    assert standing([first, longer], NOW + 100) == [longer]
    assert standing([longer, lifted], NOW) == []
    assert standing([lifted, first], NOW) == [first]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=8), st.integers(0, 9))
def test_a_document_is_good_until_it_says(denials: list[tuple[str, int]], now: int) -> None:
    told = Told(EMPTY, [denial(name, float(until)) for name, until in denials])
    here = document(told, key(), now)
    later = min(here.until, 20.0)
    assert document(told, key(), (now + later) / 2).etag == here.etag
    if here.until < 20:
        assert document(told, key(), here.until).etag != here.etag
