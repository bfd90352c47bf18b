"""A flood of new keys fills one shared entity and takes nobody's place."""

from detectors.engine.flood import OWNERS, Flood


def test_below_the_cap_everybody_gets_an_entity() -> None:
    flood = Flood(100)
    for _ in range(99):
        flood.note("acme", "key", "p", 0.0)
    assert flood.overflow(99, "acme", "key", "p") is None


def test_at_the_cap_the_flooding_tenant_shares_one_and_others_go_on() -> None:
    flood = Flood(100)
    for _ in range(95):
        flood.note("acme", "key", "p1", 0.0)
    for _ in range(5):
        flood.note("globex", "key", "p2", 0.0)
    assert flood.overflow(100, "acme", "key", "p1") == ("tenant", "acme")
    assert flood.overflow(100, "globex", "key", "p2") is None


def test_a_producer_that_makes_up_tenants_shares_one() -> None:
    flood = Flood(100)
    for number in range(100):
        flood.note(f"t{number}", "key", "evil", 0.0)
    assert flood.overflow(100, "t-new", "key", "evil") == ("producer", "key/evil")
    assert flood.overflow(100, "t-new", "key", "good") is None


def test_above_the_reserve_nobody_gets_one() -> None:
    assert Flood(100).overflow(125, "acme", "key", "p") == ("producer", "key/p")


def test_a_flood_is_forgotten_after_two_days() -> None:
    flood = Flood(100)
    for _ in range(100):
        flood.note("acme", "key", "p", 0.0)
    flood.note("globex", "key", "q", 86_400.0)
    assert flood.overflow(101, "acme", "key", "p") == ("tenant", "acme")
    flood.note("globex", "key", "q", 2 * 86_400.0)
    assert flood.overflow(102, "acme", "key", "p") is None


def test_made_up_producers_do_not_grow_what_is_counted() -> None:
    flood = Flood(10)
    for number in range(OWNERS + 500):
        flood.note(None, "key", f"p{number}", 0.0)
    assert len(flood.pack()[1]) <= OWNERS + 1
    assert flood.overflow(11, None, "key", "p-new") == ("producer", "key")


def test_counts_survive_a_snapshot() -> None:
    flood, restored = Flood(100), Flood(100)
    for number in range(100):
        flood.note("acme", "key", "p", number * 1000.0)
    restored.unpack(flood.pack())
    assert restored.overflow(100, "acme", "key", "p") == flood.overflow(100, "acme", "key", "p")
