import base64
from types import SimpleNamespace
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tocsin_audit.identity import NOBODY, TENANT_CLAIMS, authenticated, claimed, verified

NOW = 1_800_000_000.0


def access(**given: Any) -> SimpleNamespace:
    fields: dict[str, Any] = {
        "client_id": "desktop",
        "scopes": ["read"],
        "subject": None,
        "claims": {},
        "expires_at": None,
        "resource": None,
    }
    return SimpleNamespace(**{**fields, **given})


def jwt(claims: dict[str, Any]) -> str:
    parts = [
        base64.urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in ({"alg": "x"}, claims)
    ]
    return ".".join([*parts, "sig"])


def test_verified_claims_become_the_caller() -> None:
    claims = {
        "iss": "https://idp",
        "sub": "alice",
        "azp": "desktop",
        "org": {"id": "acme"},
        "iat": NOW - 60,
        "exp": NOW + 840,
        "aud": ["https://mcp"],
        "act": {"sub": "agent-7", "iss": "https://agents", "act": {"sub": "agent-1"}},
    }
    who = verified(access(subject="alice", claims=claims), ["org.id"], NOW)
    assert (who.identity, who.user, who.client, who.tenant) == ("verified", "https://idp|alice", "desktop", "acme")
    assert (who.agent, who.on_behalf_of) == ("agent-7", ("https://agents|agent-7", "agent-1"))
    assert (who.token_ttl_s, who.token_age_s, who.audience, who.scopes) == (900, 60, "https://mcp", ("read",))


def test_a_token_that_a_client_got_for_itself_has_no_user() -> None:
    who = verified(
        access(client_id="etl", subject="etl", claims={"client_id": "etl", "sub": "etl"}), TENANT_CLAIMS, NOW
    )
    assert (who.user, who.client) == (None, "etl")


def test_a_verifier_that_repeats_the_subject_as_client_names_no_client() -> None:
    who = verified(access(client_id="alice", subject="alice", claims={"sub": "alice", "iss": "i"}), TENANT_CLAIMS, NOW)
    assert (who.user, who.client) == ("i|alice", None)


def test_null_likes_are_null() -> None:
    who = verified(access(client_id="unknown", claims={"sub": "anonymous", "org_id": "-"}), TENANT_CLAIMS, NOW)
    assert (who.user, who.client, who.tenant) == (None, None, None)


def test_a_jwt_is_read_but_only_claimed() -> None:
    who = claimed(jwt({"sub": "bob", "iss": "i", "tenant": "acme", "client_id": "c"}), TENANT_CLAIMS, NOW)
    assert (who.identity, who.user, who.tenant, who.client) == ("claimed", "i|bob", "acme", "c")


def test_an_opaque_token_names_nobody() -> None:
    assert claimed("opaque-token", TENANT_CLAIMS, NOW) is NOBODY
    assert claimed("ey.ey.ey", TENANT_CLAIMS, NOW) is NOBODY
    assert claimed(jwt({"sub": "x" * 20_000}), TENANT_CLAIMS, NOW) is NOBODY


def test_a_starlette_user_of_another_make_counts_when_authenticated() -> None:
    assert authenticated(SimpleNamespace(is_authenticated=True, display_name="carol")).user == "carol"
    assert authenticated(SimpleNamespace(is_authenticated=False, display_name="carol")) is NOBODY


@given(
    st.dictionaries(
        st.sampled_from(["sub", "iss", "act", "aud", "scope", "iat", "exp", "org_id"]),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=4) | st.floats(),
            lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["sub", "act"]), x),
            max_leaves=6,
        ),
    )
)
def test_no_claims_can_make_it_fail(claims: dict[str, Any]) -> None:
    who = verified(access(claims=claims), TENANT_CLAIMS, NOW)
    assert who.identity == "verified"
    claimed(jwt(claims), TENANT_CLAIMS, NOW)


@given(st.text(max_size=60), st.binary(max_size=60))
def test_no_token_can_make_it_fail(text: str, body: bytes) -> None:
    claimed(text, TENANT_CLAIMS, NOW)
    claimed("ey." + base64.urlsafe_b64encode(body).decode() + ".x", TENANT_CLAIMS, NOW)
