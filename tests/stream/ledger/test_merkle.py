"""The tree is that of RFC 6962: published roots and proofs, and proofs that hold for what they prove alone."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.ledger.merkle import EMPTY, Frontier, consistency, consistent, included, inclusion, leaf_hash, root

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The leaves and roots of the reference implementation of Certificate Transparency (merkle_tree_test.cc)."""
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def test_the_published_roots_come_out() -> None:
    tree = Frontier()
    assert tree.root().hex() == EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for size, expected in enumerate(ROOTS, 1):
        tree.append(HASHES[size - 1])
        assert tree.root().hex() == root(HASHES[:size]).hex() == expected


def test_the_published_proofs_come_out() -> None:
    assert [step.hex()[:8] for step in inclusion(HASHES, 0)] == ["96a296d2", "5f083f0a", "6b47aaf2"]
    assert [step.hex()[:8] for step in inclusion(HASHES, 5)] == ["bc1a0643", "ca854ea1", "d37ee418"]
    assert [step.hex()[:8] for step in consistency(HASHES, 6)] == ["0ebc5d34", "ca854ea1", "d37ee418"]
    assert consistency(HASHES, 8) == []


@given(st.integers(1, 70), st.data())
def test_every_leaf_is_proved_and_nothing_else_is(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = inclusion(leaves, index)
    whole = root(leaves)
    assert included(leaves[index], index, size, path) == whole
    assert included(leaf_hash(b"other"), index, size, path) != whole
    other = data.draw(st.integers(0, size - 1))
    assert other == index or included(leaves[index], other, size, path) != whole
    assert included(leaves[index], index, size, [*path, EMPTY]) is None
    assert not path or included(leaves[index], index, size, path[:-1]) != whole
    assert included(leaves[index], size, size, path) is None


@given(st.integers(1, 70), st.data())
def test_every_earlier_tree_is_proved_and_no_other_is(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    first = data.draw(st.integers(1, size))
    path = consistency(leaves, first)
    old, new = root(leaves[:first]), root(leaves)
    assert consistent(first, old, size, new, path)
    assert not consistent(first, EMPTY, size, new, path)
    assert not consistent(first, old, size, EMPTY, path)
    assert not consistent(first, old, size, new, [*path, EMPTY])
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert not consistent(first, old, size, new, [*path[:at], EMPTY, *path[at + 1 :]])
        assert not consistent(first, old, size, new, path[:-1])


def test_what_is_not_there_cannot_be_proved() -> None:
    with pytest.raises(IndexError):
        inclusion(HASHES, 8)
    with pytest.raises(IndexError):
        consistency(HASHES, 0)
    assert not consistent(0, EMPTY, 8, root(HASHES), [])
    assert not consistent(9, EMPTY, 8, root(HASHES), [EMPTY])


def test_a_tree_of_any_size_keeps_few_hashes() -> None:
    tree = Frontier()
    for number in range(1023):
        tree.append(leaf_hash(Random(number).randbytes(8)))
    assert len(tree._peaks) == 10
