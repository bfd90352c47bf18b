from stream.directory import from_builtins
from stream.facts import Facts
from tests.detectors.streams import HOUR, event

FACTS = Facts(
    from_builtins(
        {
            "principals": [{"user": "kim", "tenant": "acme", "role": "support"}],
            "grants": [
                {"user": "sam", "tenant": "globex", "from": "2026-11-02T01:00:00Z", "until": "2026-11-02T02:00:00Z"},
                {"user": "sam", "tenant": "globex", "from": "2026-11-09T00:00:00Z"},
                {"role": "support", "tenant": "*"},
            ],
        }
    )
)


def test_a_grant_that_has_ended_is_expired_and_one_that_has_not_begun_is_not() -> None:
    assert FACTS.expired_grant(event(0.5 * HOUR, user="sam"), "globex") is None
    assert FACTS.expired_grant(event(1.5 * HOUR, user="sam"), "globex") is None
    expired = FACTS.expired_grant(event(3 * HOUR, user="sam"), "globex")
    assert expired is not None
    assert expired.until is not None


def test_whoever_has_leave_to_touch_any_other_tenant_is_a_visitor() -> None:
    assert FACTS.visitor(event(0, user="kim"))
    assert FACTS.visitor(event(1.5 * HOUR, user="sam"))
    assert not FACTS.visitor(event(3 * HOUR, user="sam"))
    assert not FACTS.visitor(event(0, user="ann"))
