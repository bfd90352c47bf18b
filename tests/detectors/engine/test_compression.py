"""Packed entities come back as they were, in whatever form they are kept."""

import random

import msgspec

from detectors.engine.compression import LEAST, SAMPLES, Compression


def _packed(chance: random.Random) -> bytes:
    """A packed entity such as those of ordinary traffic."""
    tenant, user = chance.randrange(200), chance.randrange(10**6)
    state = msgspec.msgpack.encode([chance.getrandbits(32), f"client-{tenant % 7}", chance.random(), None, None, []])
    return msgspec.msgpack.encode(
        [
            29_892_960 + chance.randrange(60),
            [None, state],
            0,
            1,
            1,
            20_759,
            0,
            (),
            (f"t-{tenant}", f"https://idp|{user}"),
        ]
    )


def test_what_resembles_each_other_becomes_small_and_comes_back() -> None:
    chance, compression = random.Random(1), Compression()
    kept: dict[bytes, bytes] = {}
    for _ in range(SAMPLES * 20):  # beyond the second dictionary
        packed = _packed(chance)
        kept[packed] = compression.small(packed)
    assert all(compression.whole(small) == packed for packed, small in kept.items())
    late = list(kept.items())[-SAMPLES:]
    assert sum(len(small) for _, small in late) < 0.7 * sum(len(packed) for packed, _ in late)


def test_what_does_not_become_smaller_is_kept_as_it_is() -> None:
    chance, compression = random.Random(1), Compression()
    for size in (0, 10, LEAST, 300):
        for _ in range(SAMPLES + 1):
            packed = b"\x92" + chance.randbytes(size)
            assert compression.whole(compression.small(packed)) == packed
            assert len(compression.small(packed)) <= len(packed)


def test_the_same_entity_again_and_again_teaches_nothing() -> None:
    compression = Compression()
    packed = b"\x91" + bytes(LEAST)
    for _ in range(SAMPLES * 2):
        assert compression.whole(compression.small(packed)) == packed
