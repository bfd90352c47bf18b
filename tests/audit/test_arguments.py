from tocsin_audit.arguments import digest, handles, keys, recipients
from tocsin_audit.fingerprint import Fingerprints

PRINTS = Fingerprints(b"key", "k")


def test_arguments_are_seen_by_shape_and_hash_only() -> None:
    given = {"b": 1, "a": {"x": "secret"}}
    assert keys(given) == ("a", "b")
    assert digest(given, PRINTS) == digest({"a": {"x": "secret"}, "b": 1}, PRINTS) != digest({"b": 1}, PRINTS)
    assert (keys(None), digest({}, PRINTS), keys("text")) == ((), None, ())


def test_addressees_are_hashed_and_keep_their_domain() -> None:
    given = {
        "to": ["Bob <bob@evil.example>", "ann@acme.example"],
        "webhook": "https://hooks.example:8443/x",
        "body": "to",
    }
    found = recipients(given, PRINTS)
    assert [item.partition("@")[2] for item in found] == ["evil.example", "acme.example", "hooks.example"]
    assert recipients({"to": "BOB@evil.example"}, PRINTS) == recipients({"cc": "bob@evil.example"}, PRINTS)


def test_a_handle_is_the_same_when_it_is_minted_and_when_it_is_presented() -> None:
    minted = handles({"task": {"taskId": "4be0643f-1d98-573b-97cd-ca98a65347dd", "status": "working"}}, PRINTS)
    presented = handles({"taskId": "4be0643f-1d98-573b-97cd-ca98a65347dd"}, PRINTS)
    assert minted == presented != ()


def test_short_cursors_are_no_handles() -> None:
    assert handles({"cursor": "page2", "nextCursor": "a-long-opaque-cursor"}, PRINTS) == (
        PRINTS.of("a-long-opaque-cursor"),
    )
