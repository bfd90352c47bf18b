"""The address that the older transport's first event names."""

import itertools

import hypothesis
from hypothesis import strategies

from collector.proxy.endpoint import EndpointRewriter
from collector.proxy.route import Upstream

CRM = Upstream(url="http://127.0.0.1:9000/base", server="crm", prefix="/crm")
FIRST = b"event: endpoint\r\ndata: /base/messages/?session_id=0123\r\n\r\n"
MOVED = b"event: endpoint\r\ndata: /crm/messages/?session_id=0123\r\n\r\n"


def passed(stream: bytes, *cuts: int, upstream: Upstream = CRM) -> bytes:
    rewriter = EndpointRewriter(upstream)
    places = sorted({0, *(cut % (len(stream) + 1) for cut in cuts), len(stream)})
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    return b"".join(map(rewriter.feed, pieces)) + rewriter.rest()


@hypothesis.given(strategies.lists(strategies.integers(0, 200), max_size=6), strategies.binary(max_size=50))
def test_only_the_first_event_changes_however_the_stream_is_cut(cuts: list[int], rest: bytes) -> None:
    assert passed(FIRST + FIRST + rest, *cuts) == MOVED + FIRST + rest


@hypothesis.given(strategies.lists(strategies.integers(0, 200), max_size=6), strategies.binary(max_size=100))
def test_a_stream_that_names_no_endpoint_passes_as_it_is(cuts: list[int], stream: bytes) -> None:
    hypothesis.assume(b"endpoint" not in stream)
    assert passed(stream, *cuts) == stream


def test_a_whole_address_becomes_a_path_of_the_proxy_and_a_foreign_one_stays() -> None:
    own = b"event: endpoint\ndata: http://127.0.0.1:9000/messages?s=1\n\n"
    plain = Upstream(url="http://127.0.0.1:9000", server="crm")
    assert passed(own, upstream=plain) == b"event: endpoint\ndata: /messages?s=1\n\n"
    foreign = b"event: endpoint\ndata: http://elsewhere/messages\n\n"
    assert passed(foreign) == foreign


def test_a_stream_without_an_end_is_not_held_for_ever() -> None:
    rewriter = EndpointRewriter(CRM)
    assert rewriter.feed(b": hello\n") == b": hello\n"
    held = EndpointRewriter(CRM)
    assert held.feed(b"event: endpoint\ndata: " + b"x" * 20_000) != b""
