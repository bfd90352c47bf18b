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


def test_while_keys_are_replaced_what_is_compared_is_written_under_both() -> None:
    old = fingerprints("k1:old-secret-1", b"")
    both = fingerprints("k2:new-secret-2 k1:old-secret-1", b"")
    new = fingerprints("k2:new-secret-2", b"")
    assert both.key_id == "k2"
    assert both.every("handle") == (new.of("handle"), old.of("handle"))
    assert set(old.every("handle")) & set(both.every("handle")), "one that has not heard of it yet still agrees"
    assert set(new.every("handle")) & set(both.every("handle")), "and so does one that is ahead"


def test_a_secret_with_a_space_in_it_is_one_secret() -> None:
    assert len(fingerprints("a secret phrase", b"").every("x")) == 1
