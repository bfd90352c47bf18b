import hashlib
import hmac

from tocsin_audit.fingerprint import LOCAL, fingerprints


def test_a_named_key_makes_fingerprints_that_the_whole_fleet_agrees_on() -> None:
    made = fingerprints("k7:correct horse", b"unused")
    wanted = hmac.new(b"correct horse", b"secret-token", hashlib.sha256).hexdigest()[:32]
    assert made.of("secret-token") == f"k7:{wanted}" == fingerprints("k7:correct horse", b"other").of(b"secret-token")


def test_a_key_without_a_name_is_named_by_itself() -> None:
    one, other = fingerprints("correct horse", b""), fingerprints("battery staple", b"")
    assert one.key_id == fingerprints("correct horse", b"").key_id != other.key_id
    assert "horse" not in one.key_id


def test_without_a_key_fingerprints_are_local_and_say_so() -> None:
    assert fingerprints(None, b"a").of("x") != fingerprints(None, b"b").of("x")
    assert fingerprints("", b"a").key_id == LOCAL
