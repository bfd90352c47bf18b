from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_audit.measure import count, manifest, payload, rows


def tool_rows(result: dict[str, Any]) -> int | None:
    return rows("tools/call", result, payload(result))


TEXT = {"type": "text", "text": "hello"}


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        ({"structuredContent": {"result": [1, 2, 3]}, "content": [TEXT]}, 3),
        ({"structuredContent": {"result": {"a": [1, 2]}}, "_meta": {"fastmcp": {"wrap_result": True}}}, 2),
        ({"structuredContent": {"rows": [1] * 7, "total": 7}, "content": [TEXT]}, 7),
        ({"structuredContent": {"data": {"rows": [1] * 7}}}, 7),
        ({"structuredContent": {"rows": [], "total": 0}}, 0),
        ({"structuredContent": {"name": "x"}}, 1),
        ({"structuredContent": {"result": 5}}, 1),
        ({"content": [{"type": "text", "text": '[{"a": 1}, {"a": 2}]'}]}, 2),
        ({"content": [{"type": "text", "text": '{"a": 1}'}] * 4}, 4),
        ({"content": [TEXT]}, 1),
        ({"content": []}, 0),
    ],
)
def test_rows_come_from_the_structured_list_first(result: dict[str, Any], wanted: int) -> None:
    assert tool_rows(result) == wanted


def test_lists_count_what_they_list() -> None:
    assert rows("tools/list", {"tools": [1, 2]}, None) == 2
    assert rows("resources/read", {"contents": [{"text": "[1,2,3]"}]}, [1, 2, 3]) == 3
    assert rows("initialize", {}, None) is None


def test_a_result_called_result_that_is_an_object_stays_itself() -> None:
    assert payload({"structuredContent": {"result": {"rows": [1]}}}) == {"result": {"rows": [1]}}


def test_a_definition_keeps_its_hash_through_reordering_and_loses_it_by_a_word() -> None:
    one = {"name": "t", "description": "reads", "inputSchema": {"a": 1, "b": 2}, "_meta": {"x": 1}}
    same = {"inputSchema": {"b": 2, "a": 1}, "description": "reads", "name": "t"}
    other = {**one, "description": "reads and sends"}
    hashes = [manifest([tool])["tools"]["t"] for tool in (one, same, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert manifest([one, "rubbish", {"name": ""}]) == {"count": 3, "tools": {"t": hashes[0]}}


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=3), x, max_size=3),
        max_leaves=15,
    )
)
def test_any_value_has_a_count(value: Any) -> None:
    assert count(value) >= 0
    assert isinstance(payload({"structuredContent": value, "content": value}), object)
