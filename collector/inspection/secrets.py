"""Secrets: credentials by the forms that their issuers give them, and assignments of what is random enough.

The forms are those of the issuers' own documentation, as detect-secrets 1.5 lists them too.
"""

import math
import re
from collections import Counter
from typing import Final

from collector.inspection.pattern import Pattern

_LEAST_BITS: Final = 2.6
"""Bits a character of an assigned value at least, over at least twelve characters; words have less variety."""
_NO_SECRET: Final = re.compile(
    r"(?i)x{3}|\*{3}|\.{3}|<|\{|\$|%|example|placeholder|redacted|removed|changeme|your[-_ ]|dummy|null|none|true|"
    r"false|undefined|required|optional|process\.env|os\.environ|getenv|^[a-z_]+(?:\.[a-z_]+)+$|^[a-z]+$|^[\d.:-]+$|"
    r"^[a-z]+(?:[-_ ][a-z]+)*$|^/[\w/.-]*$"
)


def random_enough(value: str) -> bool:
    """Whether an assigned value looks like a credential, not like a word, a path, a number or a placeholder."""
    text = value.strip("\"'`,;)")
    if len(text) < 12 or _NO_SECRET.search(text):
        return False
    size = len(text)
    bits = -sum(count / size * math.log2(count / size) for count in Counter(text).values())
    return bits >= _LEAST_BITS and any(char.isdigit() for char in text)


def real_password(value: str) -> bool:
    """Whether what stands where an address has its password is one."""
    return not re.search(r"(?i)^(?:pass(?:word|wd)?|pwd|secret|x+|\*+|\.+|user|token|<.*|\{.*|\$.*|%.*)$", value)


def _issued(name: str, expression: str) -> Pattern:
    return Pattern(f"secret:{name}", expression, cased=True)


PATTERNS: Final = (
    _issued("private_key", r"-----BEGIN (?:[A-Z0-9]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----"),
    _issued("aws_key", r"\b(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}\b"),
    _issued("github_token", r"\b(?:gh[pousr]_[A-Za-z0-9_]{36,255}|github_pat_[A-Za-z0-9_]{22,255})\b"),
    _issued("gitlab_token", r"\b(?:glpat|gldt|glft|glsoat|glrt|glcbt|gloas)-[A-Za-z0-9_-]{20,64}"),
    _issued("slack_token", r"\bxox[abposre](?:-\d+){1,4}-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/T\w+/B\w+/\w+"),
    _issued("stripe_key", r"\b[rs]k_(?:live|test)_[0-9a-zA-Z]{24,}"),
    _issued("openai_key", r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{16,}[0-9][A-Za-z0-9_-]{3,}"),
    _issued("google_key", r"\bAIza[0-9A-Za-z_-]{35}\b|\bya29\.[0-9A-Za-z_-]{20,}|\bGOCSPX-[0-9A-Za-z_-]{28}"),
    _issued("azure_key", r"\bAccountKey=[a-zA-Z0-9+/=]{86,88}"),
    _issued("npm_token", r"\bnpm_[A-Za-z0-9]{36}\b|:_authToken=\s*[A-Za-z0-9-]{16,}"),
    _issued("pypi_token", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    _issued("sendgrid_key", r"\bSG\.[a-zA-Z0-9_-]{22}\.[a-zA-Z0-9_-]{43}"),
    _issued("twilio_key", r"\b(?:AC|SK)[a-f0-9]{32}\b"),
    _issued("telegram_token", r"\b\d{8,10}:AA[0-9A-Za-z_-]{33}"),
    _issued("discord_token", r"\b[MNO][a-zA-Z\d_-]{23,25}\.[a-zA-Z\d_-]{6}\.[a-zA-Z\d_-]{27,38}"),
    _issued("hashicorp_token", r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}"),
    _issued("huggingface_token", r"\bhf_[A-Za-z0-9]{30,}"),
    _issued("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    _issued("password_hash", r"(?:^|[\s:])[a-z_][a-z0-9_-]{0,31}:\$(?:1|2[aby]|5|6|y|argon2id?)\$[^\s:]{8,}:\d*:"),
    Pattern(
        "secret:url_password", r"\b[a-z][a-z0-9+.-]{1,20}://[^:/?#\s@]{1,64}:([^/?#\s@]{3,128})@", check=real_password
    ),
    Pattern(
        "secret:bearer", r"\b(?:authorization\s*[:=]\s*[\"']?)?bearer\s+([A-Za-z0-9._~+/-]{24,}=*)", check=random_enough
    ),
    Pattern(
        "secret:assigned",
        r"(?:api[_-]?key|secret(?:[_-]?(?:access[_-]?)?key)?|access[_-]?(?:key|token)|auth[_-]?token|client[_-]?secret|"
        r"private[_-]?key|passw(?:or)?d|pwd|token|credentials?)[\"']?\s*(?::|=|:=|=>)\s*[\"']?([^\s\"',;]{12,200})",
        check=random_enough,
    ),
)
