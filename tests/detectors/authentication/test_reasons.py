from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.authentication.reasons import (
    AUDIENCE,
    EXPIRED,
    MALFORMED,
    MFA,
    PROVIDER,
    SCOPE,
    SECRET,
    SIGNATURE,
    STALE,
    UNKNOWN,
    attempt_of,
    failed,
    passed,
    read_reason,
    reason_of,
)
from detectors.base import AUTH_FAILED, SUCCEEDED
from detectors.engine.marks import marks_of
from stream.facts import Facts
from tests.detectors.streams import event, failure


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("token expired", EXPIRED),
        ("Signature has expired", EXPIRED),
        ("JWT exp claim is in the past", EXPIRED),
        ("invalid_token: The access token expired", EXPIRED),
        ("token revoked", STALE),
        ("bad signature: unknown key id (kid)", STALE),
        ("No matching key found", STALE),
        ("secret was rotated", STALE),
        ("bad signature", SIGNATURE),
        ("Signature verification failed", SIGNATURE),
        ("alg none is not allowed", SIGNATURE),
        ("wrong audience", AUDIENCE),
        ("invalid issuer", AUDIENCE),
        ("aud mismatch", AUDIENCE),
        ("insufficient_scope", SCOPE),
        ("bad password", SECRET),
        ("invalid_client", SECRET),
        ("Invalid API key", SECRET),
        ("account locked out", SECRET),
        ("unknown user", SECRET),
        ("MFA required", MFA),
        ("Not enough segments", MALFORMED),
        ("malformed token", MALFORMED),
        ("JWKS endpoint unreachable", PROVIDER),
        ("token introspection timed out", PROVIDER),
        ("connection refused by issuer", PROVIDER),
        ("invalid_token", UNKNOWN),
        ("unauthorized", UNKNOWN),
    ],
)
def test_the_words_of_producers_give_the_reason(words: str, reason: str) -> None:
    assert read_reason(words) == reason


@given(st.text(max_size=500))
def test_any_words_give_some_reason(words: str) -> None:
    assert read_reason(words)


def test_a_token_older_than_its_life_expired_though_nobody_says_so() -> None:
    assert reason_of(failure(0, reason=None, token_age_s=1900.0, token_ttl_s=1800.0)) == EXPIRED
    assert reason_of(failure(0, reason=None, token_age_s=60.0, token_ttl_s=1800.0)) == UNKNOWN


def test_what_the_producer_says_beats_the_age_of_the_token() -> None:
    assert reason_of(failure(0, reason="bad signature", token_age_s=9e9, token_ttl_s=1.0)) == SIGNATURE


def test_a_log_in_without_a_word_failed_for_its_secret() -> None:
    assert reason_of(failure(0, kind="auth", reason=None)) == SECRET


@pytest.mark.parametrize(
    ("fields", "weight"),
    [
        ({"reason": "bad password", "kind": "auth"}, "auth"),
        ({"reason": "bad password"}, "request"),
        ({"reason": "bad signature"}, "request"),
        ({"reason": "bad signature", "token": "k:1"}, "token"),
        ({"reason": None, "token": "k:1"}, "token"),
        ({"reason": None}, "weak"),
        ({"reason": "malformed token"}, "weak"),
        ({"reason": "token expired", "token": "k:1"}, ""),
        ({"reason": "token introspection failed: upstream"}, ""),
        ({"reason": "MFA required"}, ""),
        ({"reason": "key was rotated"}, ""),
    ],
)
def test_only_guesses_weigh_and_tokens_tell_them_from_retries(fields: dict[str, Any], weight: str) -> None:
    assert attempt_of(failure(0, **fields)).weight == weight


def test_rejected_and_answered_are_told_apart() -> None:
    assert failed(failure(0))
    assert failed(event(0, outcome=None, auth="invalid"))
    assert not failed(event(0, outcome="auth_missing", auth="none"))
    assert passed(event(0, outcome="tool_error"))
    assert passed(event(0, outcome=None, auth="valid"))
    assert not passed(event(0, outcome=None, auth="valid", error_code=-32602))
    assert not passed(event(0, outcome="authz_denied"))


@pytest.mark.parametrize(
    ("fields", "rejected", "answered"),
    [
        ({"kind": "auth", "reason": "bad password"}, True, False),
        ({"kind": "auth", "reason": "login failed"}, True, False),
        ({"kind": "auth", "error": "401 Unauthorized"}, True, False),
        ({"kind": "auth", "user": "ann", "error_code": 401}, True, False),
        ({"kind": "auth", "reason": "jwks unreachable"}, True, False),
        ({"kind": "auth", "reason": "login successful"}, False, True),
        ({"kind": "auth", "reason": "password ok"}, False, True),
        ({"kind": "auth", "reason": "login was not successful"}, True, False),
        ({"kind": "auth", "reason": "no bearer token"}, False, False),
        ({"kind": "auth"}, False, False),
        ({"reason": "bad signature"}, True, False),
        ({"user": "ann", "error_code": 401}, True, False),
        ({"error_code": 401}, False, False),
        ({"user": "ann", "error_code": -32602, "error": "invalid parameter"}, False, False),
        ({"user": "ann", "error": "invalid api key for the weather service"}, False, False),
        ({"auth": "presented"}, False, True),
        ({"auth": "presented", "reason": "invalid api key"}, True, False),
        ({"auth": "valid", "reason": "invalid api key"}, False, True),
        ({"auth": "none", "reason": "401 Unauthorized"}, False, False),
    ],
)
def test_where_no_outcome_is_named_a_code_or_the_words_tell(
    fields: dict[str, Any], rejected: bool, answered: bool
) -> None:
    one = event(0, **({"outcome": None, "auth": None} | fields))
    assert (failed(one), passed(one)) == (rejected, answered)
    marks = marks_of(one, Facts())
    assert (bool(marks & AUTH_FAILED), bool(marks & SUCCEEDED)) == (rejected, answered)


def test_an_outcome_of_an_unknown_name_does_not_hide_a_rejected_log_in() -> None:
    assert failed(event(0, kind="auth", outcome="other", auth=None, reason="wrong password"))
    assert not passed(event(0, kind="auth", outcome="other", auth=None))
