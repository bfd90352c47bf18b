import pytest

from tocsin_audit.action import of_method, of_tool


@pytest.mark.parametrize(
    ("name", "annotations", "action"),
    [
        ("get_rows", None, "read"),
        ("listInvoices", None, "read"),
        ("deleteUser", {"readOnlyHint": True}, "delete"),
        ("send_email", None, "send"),
        ("crm.customer.update", None, "update"),
        ("frobnicate", {"readOnlyHint": True}, "read"),
        ("frobnicate", {"destructiveHint": True}, "write"),
        ("frobnicate", None, None),
        ("", {}, None),
    ],
)
def test_a_name_that_says_more_than_reading_beats_the_annotation(
    name: str, annotations: dict[str, bool] | None, action: str | None
) -> None:
    assert of_tool(name, annotations) == action


def test_listing_and_reading_methods_read() -> None:
    assert [of_method(m) for m in ("resources/read", "tools/list", "prompts/get", "completion/complete")] == [
        "read"
    ] * 4
    assert of_method("initialize") is None
