from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_audit.path import parse, walk

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("rows[*].tenant_id", ["a", "b"]),
        ("$.rows[1].tenant_id", ["b"]),
        ("rows[9].tenant_id", []),
        ('["a.b"]', [5]),
        ("owner.name", ["o"]),
        ("rows.tenant_id", []),
    ],
)
def test_a_path_leads_to_what_it_names(path: str, found: list[Any]) -> None:
    value = {"rows": [{"tenant_id": "a"}, {"tenant_id": "b"}, {}], "a.b": 5, "owner": {"name": "o"}}
    assert list(walk(value, parse(path))) == found


@pytest.mark.parametrize("path", ["", "$", "rows[", "rows[x]", "a" + ".b" * 20, 'x["'])
def test_a_path_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(ValueError):
        parse(path)


@given(JSON, st.lists(st.none() | st.integers(0, 5) | st.text(max_size=3), min_size=1, max_size=5))
def test_walking_never_fails(value: Any, steps: list[Any]) -> None:
    assert isinstance(list(walk(value, tuple(steps))), list)
