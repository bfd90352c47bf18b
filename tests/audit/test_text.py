import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tocsin_audit.text import clean, clean_error


@given(st.text(max_size=2000), st.integers(1, 300))
def test_cleaned_text_is_bounded_and_holds_nothing_invisible(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    if cleaned is not None:
        assert 0 < len(cleaned) <= limit
        assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in cleaned)
        assert not set(cleaned) & set("\u202e\u2066\u200b\ufeff\U000e0041")


def test_what_is_no_text_is_null() -> None:
    nothing: list[object] = [None, 5, [], "", " \n ", "\u200b"]
    assert [clean(value) for value in nothing] == [None] * 6


def test_a_bidi_trick_is_undone() -> None:
    assert clean("invoice\u202efdp.exe") == "invoicefdp.exe"


def test_an_error_loses_input_and_secrets() -> None:
    text = clean_error(
        "1 validation error\n  x [type=int, input_value='4111 1111', input_type=str] Bearer abcdefghijklmnop.1234 "
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.sig"
    )
    assert text is not None
    assert "4111" not in text
    assert "abcdefghijklmnop" not in text
    assert "eyJ" not in text
    assert "validation error" in text
