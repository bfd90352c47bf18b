"""Personal data: cards, bank accounts, addresses, and the classes that an operator describes."""

import re
from collections.abc import Mapping
from typing import Final

from collector.inspection.pattern import Pattern

_CARDS: Final = re.compile(
    r"(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|6(?:011|4|5)\d{12,16}|35\d{14}|3[068]\d{12,17})\Z"
)
_IBAN_LENGTHS: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}\Z")
_NO_PERSON: Final = re.compile(
    r"(?i)@(?:[\w.-]+\.)?(?:example\.(?:com|org|net)|[\w-]+\.(?:invalid|test|example|localhost))\Z"
)


def card(text: str) -> bool:
    """Whether digits are a payment card's: an issuer's prefix and length, and the check digit of ISO/IEC 7812."""
    digits = re.sub(r"[ -]", "", text)
    return _CARDS.match(digits) is not None and len(set(digits)) > 1 and luhn(digits)


def luhn(digits: str) -> bool:
    """Whether the last digit is what the others make it (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban(text: str) -> bool:
    """Whether a text is a bank account whose check digits hold (ISO 13616, mod 97 of ISO 7064)."""
    plain = text.replace(" ", "").upper()
    if _IBAN_LENGTHS.match(plain) is None:
        return False
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


def ssn(text: str) -> bool:
    """Whether a number could have been given out as a US social security number."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def person(text: str) -> bool:
    """Whether an address may be somebody's: not one of the domains that RFC 2606 keeps for examples."""
    return _NO_PERSON.search(text) is None


PATTERNS: Final = (
    Pattern("pii:card", r"(?:^|[^\w.-])(\d(?:[ -]?\d){12,18})(?:$|[^\w-])", check=card, counted=True),
    Pattern(
        "pii:iban",
        r"\b([A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)\b",
        check=iban,
        counted=True,
        cased=True,
    ),
    Pattern("pii:ssn", r"(?:^|[^\w-])(\d{3}-\d{2}-\d{4})(?:$|[^\w-])", check=ssn, counted=True),
    Pattern("pii:email", r"\b[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,6}[a-z]{2,24}\b", check=person, counted=True),
)


def configured(classes: Mapping[str, str]) -> tuple[Pattern, ...]:
    """The classes that an operator describes by an expression of RE2, as `pii:<name>`."""
    return tuple(Pattern(f"pii:{name}", expression, counted=True, cased=True) for name, expression in classes.items())
