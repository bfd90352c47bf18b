import pytest

from tocsin_audit.source import address, networks, source

PROXIES = networks(["10.0.0.0/8", "::1"])


@pytest.mark.parametrize(
    ("client", "forwarded", "found"),
    [
        (("203.0.113.9", 443), ["1.1.1.1"], ("203.0.113.9", "peer")),
        (("10.0.0.5", 443), ["6.6.6.6, 203.0.113.9"], ("203.0.113.9", "trusted_xff")),
        (("10.0.0.5", 443), ["6.6.6.6, 203.0.113.9, 10.0.0.7"], ("203.0.113.9", "trusted_xff")),
        (("10.0.0.5", 443), [], ("10.0.0.5", "peer")),
        (("10.0.0.5", 443), ["rubbish"], ("10.0.0.5", "peer")),
        (("203.0.113.9", 0), [], ("203.0.113.9", "trusted_xff")),
        (("::1", 9), ["[2001:db8::1]:80"], ("2001:db8::1", "trusted_xff")),
        (None, ["1.1.1.1"], (None, "unknown")),
        (("/run/app.sock", 0), [], (None, "unknown")),
    ],
)
def test_only_what_trusted_proxies_say_is_believed(
    client: tuple[str, int] | None, forwarded: list[str], found: tuple[str | None, str]
) -> None:
    assert source(client, forwarded, PROXIES) == found


def test_an_address_has_one_form() -> None:
    assert {address(text) for text in ("1.2.3.4", "1.2.3.4:80", "::ffff:1.2.3.4", ' "1.2.3.4" ')} == {"1.2.3.4"}
    assert address("localhost") is None
