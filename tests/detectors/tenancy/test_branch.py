import random

import pytest

from detectors.tenancy.branch import LIMIT, Branches, branches, parent


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("crm://acme/c/1", ["crm://acme/", "crm://acme/c/"]),
        ("crm://acme/c/d/e/f", ["crm://acme/", "crm://acme/c/", "crm://acme/c/d/"]),
        ("file:///srv/acme/x", ["file:///", "file:///srv/", "file:///srv/acme/"]),
        ("crm://acme?x=/y/", []),
        ("plain", []),
        ("crm://acme", []),
    ],
)
def test_a_uri_lies_on_the_branches_above_it(target: str, expected: list[str]) -> None:
    assert branches(target) == expected


def test_the_parent_of_a_branch_is_the_one_above() -> None:
    assert parent("crm://acme/c/") == "crm://acme/"
    assert parent("crm://acme/") == "crm://"


def test_a_flood_of_deep_branches_does_not_push_out_the_shallow_and_is_order_free() -> None:
    deep = [f"crm://t/c/{number}/" for number in range(3 * LIMIT)]
    shallow = [f"crm://t{number}/" for number in range(50)]
    states = []
    for seed in range(2):
        listed = deep + shallow
        random.Random(seed).shuffle(listed)
        state = Branches()
        for branch in listed:
            state.note(1, branch, "acme", 1)
        states.append(state.days[1])
    assert states[0] == states[1]
    assert len(states[0]) == LIMIT
    assert set(shallow) <= states[0].keys()
