"""Text from strangers: bounded, without control characters or bidi marks, and without secrets."""

import re
from typing import Final

_BREAKS: Final = re.compile(r"\s*[\t\n\v\f\r\x85\u2028\u2029]\s*")
# Control characters, soft hyphen, bidi marks and isolates, zero-width characters, tags, lone surrogates.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
_SECRETS: Final = (
    # A validation error of pydantic repeats the caller's input.
    (re.compile(r"input_value=.{0,400}?(?=, input_type=|$)", re.DOTALL), "input_value=[removed]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/-]{16,}=*"), r"\1 [removed]"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), "[removed]"),
    (re.compile(r"\b[\w+/-]{40,}={0,2}"), "[removed]"),
)


def clean(value: object, limit: int = 256) -> str | None:
    """A string of at most `limit` characters that is safe to store and show; null where nothing is left."""
    if not isinstance(value, str):
        return None
    if len(value) <= limit and value.isascii() and value.isprintable():
        return value.strip() or None
    text = _UNSAFE.sub("", _BREAKS.sub(" ", value[: limit * 4])).strip()
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text or None


def clean_error(value: object, limit: int = 300) -> str | None:
    """An error's text, cleaned and bounded, with the caller's input and what looks like a secret removed."""
    text = clean(value, 1200)
    if text is None:
        return None
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return clean(text, limit)
