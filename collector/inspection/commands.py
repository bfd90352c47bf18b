"""Commands and SQL where a path or an identifier is expected: what a shell or a database would run."""

import re
from typing import Final

_PLAIN_KEYS: Final = re.compile(
    r"(?i)(?:.*[_-])?(?:paths?|files?|filename|dir(?:ectory)?|folder|repo(?:sitory)?(?:_path)?|branch|ref|tag|commit|sha|"
    r"host(?:name)?|domain|ip|port|package|module|version|id|ids|uuid|name|user(?:name)?|tenant|customer|account|table|"
    r"column|schema|database|bucket|key|region|timezone|lang(?:uage)?|target|source|destination|owner|project)\Z|"
    r".*(?:Id|Path|File|Name|Dir|Host)\Z"
)
_LONGEST: Final = 1024
_SHELL: Final = re.compile(
    r"\$\(|`[^`]{2,}`|\$\{IFS\}|(?:[;|&]|\n)\s*(?:[\w./-]*/)?(?:sh|bash|zsh|cat|curl|wget|nc|ncat|python3?|perl|ruby|node|rm|cp|"
    r"mv|ls|id|whoami|uname|env|printenv|echo|touch|chmod|base64|powershell|cmd|ping|nslookup|dig|sleep|kill|tee|dd|"
    r"eval|exec|export|sudo|ssh|scp)\b|&&\s*\w|\|\|\s*\w|>\s*/(?:tmp|dev|etc|var|home|root)/"
)
_SQL: Final = re.compile(
    r"(?i)['\"]\s*\)?\s*(?:or|and)\s+['\"(]?[\w']+['\"]?\s*(?:=|<|>|like|is\b)|\bunion\s+(?:all\s+)?select\b|"
    r";\s*(?:drop|delete|insert|update|alter|create|truncate|grant|exec|select|commit|shutdown)\s|"
    r"['\")\d]\s*(?:--|/\*|#)\s*\Z|\b(?:pg_sleep|waitfor\s+delay|benchmark|xp_cmdshell|load_file)\b\s*\(?"
)
_OPTION: Final = re.compile(r"\A--?[A-Za-z][\w-]*(?:=|\Z)")


def expected(key: str) -> bool:
    """Whether an argument's name promises a path or an identifier."""
    return _PLAIN_KEYS.match(key) is not None


def signals(key: str, text: str) -> list[str]:
    """The names of what a path or an identifier should not hold."""
    if len(text) > _LONGEST or not expected(key):
        return []
    found = []
    if _SHELL.search(text):
        found.append("injection:shell")
    if _SQL.search(text):
        found.append("injection:sql")
    if _OPTION.match(text):
        found.append("injection:option")
    return found
