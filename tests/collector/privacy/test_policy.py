"""What is hidden of an event, and who can turn it back."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.privacy.keys import Vault
from collector.privacy.policy import Privacy, mask
from stream.errors import RejectedError
from tocsin_audit.event import AuditEvent

NEW, OLD = "2026-11:" + "n" * 40, "2026-05:" + "o" * 40
VAULT = Vault([NEW, OLD])


def event(**fields: object) -> AuditEvent:
    return msgspec.convert({"time": 1, "server": "s", "method": "m", **fields}, AuditEvent)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("no user ann.b@firma.de in /srv/data/crm/users.db", "no user [email] in [path]"),
        ("open 'C:\\Users\\ann\\x.txt' failed", "open '[path]' failed"),
        ("Bearer abcdefghijklmnopqrstuvwxyz refused", "Bearer [removed] refused"),
        ("password=hunter22 is wrong", "password=[removed] is wrong"),
        ("token expired", "token expired"),
        ("relation a/b does not exist", "relation a/b does not exist"),
        ("tocsin.denied:inc-a/b@c.de", "tocsin.denied:inc-a/b@c.de"),
    ],
)
def test_an_errors_text_keeps_its_words_and_loses_its_data(text: str, clean: str) -> None:
    assert mask(text) == clean
    assert mask(clean) == clean, "what was cleaned stays as it is"


def test_each_field_goes_the_way_that_is_said_for_it() -> None:
    policies = {"user": "alias", "user_agent": "drop", "target": "hash", "origin": "seal", "error": "keep"}
    privacy = Privacy(policies, VAULT)  # type: ignore[arg-type]  # the mapping's values are the policies' names
    given_ = event(user="idp|ann", user_agent="x/1", target="crm://a", origin="https://o", error="ann@firma.de")
    made = privacy.changes(given_)
    assert set(made) == {"user", "user_agent", "target", "origin"}
    assert made["user_agent"] is None
    assert made["target"] == VAULT.hash("crm://a")
    assert VAULT.reveal("user", made["user"]) == "idp|ann"
    assert VAULT.reveal("origin", made["origin"]) == "https://o"
    assert privacy.changes(given_)["user"] == made["user"], "the same person has the same alias"
    assert privacy.changes(given_)["origin"] != made["origin"], "a sealed value never looks alike"


def test_what_is_hidden_is_not_hidden_twice() -> None:
    privacy = Privacy({"user": "alias"}, VAULT)
    made = privacy.changes(event(user="ann"))
    assert privacy.changes(event(user=made["user"])) == {}


def test_lists_are_hidden_one_by_one() -> None:
    made = Privacy({"on_behalf_of": "alias"}, VAULT).changes(event(on_behalf_of=("a", "b")))
    assert [VAULT.reveal("on_behalf_of", each) for each in made["on_behalf_of"]] == ["a", "b"]


def test_hiding_needs_a_key() -> None:
    with pytest.raises(ValueError, match="user cannot be hidden without a key"):
        Privacy({"user": "alias"})


def test_old_keys_still_reveal_and_the_newest_hides() -> None:
    before = Vault([OLD]).alias("user", "ann")
    assert VAULT.reveal("user", before) == "ann"
    assert VAULT.alias("user", "ann").startswith("alias:2026-11:")
    with pytest.raises(RejectedError, match="the key '2026-05' is not at hand"):
        Vault([NEW]).reveal("user", before)


def test_a_value_is_bound_to_its_field_and_cannot_be_changed() -> None:
    hidden = VAULT.alias("user", "ann")
    for field, value in (("client", hidden), ("user", hidden[:-2] + "xx"), ("user", "alias:2026-11:"), ("user", "ann")):
        with pytest.raises(RejectedError):
            VAULT.reveal(field, value)


@pytest.mark.parametrize("lines", [[], ["short:x"], ["no colon"], [NEW, NEW]])
def test_a_bad_key_is_named(lines: list[str]) -> None:
    with pytest.raises(ValueError, match=r"key|line"):
        Vault(lines)


@given(st.text(max_size=600))
def test_whatever_was_hidden_comes_back(text: str) -> None:
    plain = text.encode("utf-8", "replace").decode()
    assert VAULT.reveal("user", VAULT.alias("user", text)) == plain
    assert VAULT.reveal("user", VAULT.seal("user", text)) == plain


@given(st.text(max_size=2000))
def test_masking_never_fails(text: str) -> None:
    assert mask(mask(text)) is not None
