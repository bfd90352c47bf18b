"""Which upstream a request goes to."""

import pytest

from collector.proxy.route import Routed, Router, Upstream


def upstream(url: str = "http://127.0.0.1:9000", **said: str) -> Upstream:
    return Upstream(url=url, server="x", prefix=said.get("prefix", ""), host=said.get("host"))


def test_a_single_upstream_gets_every_path_as_it_is() -> None:
    router = Router([upstream("http://127.0.0.1:9000/mcp")])
    for path in ("/mcp", "/", "/.well-known/oauth-protected-resource/mcp", "/a%2Fb/../c"):
        assert router.find("anything:80", path) == Routed(0, path)


def test_a_prefix_stands_for_the_path_of_the_address() -> None:
    router = Router([upstream(prefix="/crm"), upstream("http://h/base", prefix="/crm/eu")])
    assert router.find("h", "/crm/mcp") == Routed(0, "/mcp")
    assert router.find("h", "/crm") == Routed(0, "/")
    assert router.find("h", "/crm/eu/mcp") == Routed(1, "/base/mcp")
    assert router.find("h", "/crmx/mcp") is None
    assert router.find("h", "/") is None


def test_documents_about_a_resource_are_asked_where_the_resource_is() -> None:
    router = Router([upstream(prefix="/crm"), upstream("http://h/base", prefix="/hr")])
    assert router.find("h", "/.well-known/oauth-protected-resource/crm/mcp") == Routed(
        0, "/.well-known/oauth-protected-resource/mcp"
    )
    assert router.find("h", "/.well-known/oauth-authorization-server/hr") == Routed(
        1, "/.well-known/oauth-authorization-server/base"
    )
    assert router.find("h", "/.well-known/oauth-protected-resource/other") is None


def test_a_host_comes_before_what_answers_to_all() -> None:
    router = Router([upstream(), upstream(host="CRM.example"), upstream(host="crm.example", prefix="/eu")])
    found = {path: router.find("crm.example:8643", path) for path in ("/mcp", "/eu/mcp")}
    assert found == {"/mcp": Routed(1, "/mcp"), "/eu/mcp": Routed(2, "/mcp")}
    assert router.find("other", "/mcp") == Routed(0, "/mcp")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"url": "127.0.0.1:9000"}, "is not an address"),
        ({"url": "http://u:p@h"}, "more than a scheme"),
        ({"url": "http://h", "prefix": "crm"}, "begins with a slash"),
        ({"url": "http://h", "prefix": "/crm/"}, "does not end with one"),
    ],
)
def test_an_upstream_that_cannot_be_says_why(said: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        upstream(**said)


def test_two_upstreams_at_one_place_are_refused() -> None:
    with pytest.raises(ValueError, match="same host and prefix"):
        Router([upstream(prefix="/a"), upstream("http://h", prefix="/a")])
    with pytest.raises(ValueError, match="no upstream"):
        Router([])
