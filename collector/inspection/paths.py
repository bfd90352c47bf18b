"""Paths in arguments and URIs: those that leave where they begin, and those that nobody but a thief asks for."""

import re
from typing import Final
from urllib.parse import unquote

_ROUNDS: Final = 3
_LONGEST: Final = 2048
_SENSITIVE: Final = re.compile(
    r"(?i)(?:^|[\s/\\'\"`=:(,~])(?:"
    r"etc[/\\](?:passwd|shadow|gshadow|sudoers|master\.passwd|krb5\.keytab|ssh(?:[/\\]|$)|kubernetes[/\\])|"
    r"proc[/\\](?:self|\d+|thread-self)[/\\](?:environ|cmdline|mem|maps|fd|root|cwd)|"
    r"\.ssh(?:[/\\]|$)|(?:[\w.-]{1,40}[_-])?id_(?:rsa|dsa|ecdsa|ed25519)(?![\w])|authorized_keys|"
    r"\.env(?:\.(?:local|prod|production|dev|staging))?(?=$|[\s'\"`,;)])|"
    r"\.(?:aws[/\\]credentials|aws[/\\]config|netrc|git-credentials|pgpass|my\.cnf|npmrc|pypirc|dockercfg|htpasswd|"
    r"docker[/\\]config\.json|kube[/\\]config|gnupg(?:[/\\]|$)|vault-token|bash_history|zsh_history)|"
    r"var[/\\]run[/\\](?:secrets[/\\]|docker\.sock)|run[/\\]secrets[/\\]|"
    r"windows[/\\]system32[/\\]config[/\\](?:sam|system|security)|ntds\.dit|"
    r"login data$|key[34]\.db$|logins\.json$|wallet\.dat$|"
    r"(?:claude_desktop_config|mcp)\.json$"
    r")"
)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\\]*")
_WRITTEN: Final = re.compile(r"(?i)\.\.|%2e|%c0|%25|\\|\x00|%00|\u2024|\uff0e")


def signals(text: str) -> list[str]:
    """The names of what is wrong with a path or a URI."""
    if len(text) > _LONGEST or "\n" in text.strip():
        return []
    found = []
    if _WRITTEN.search(text) is not None:
        decoded = _decoded(text)
        if "\x00" in decoded:
            found.append("path:null_byte")
        if leaves(decoded):
            found.append("path:traversal")
        text = decoded
    if _SENSITIVE.search(text):
        found.append("path:sensitive")
    return found


def sensitive(text: str) -> bool:
    """Whether a text names such a file."""
    return _SENSITIVE.search(text) is not None


def leaves(path: str) -> bool:
    """Whether the steps of a path lead above where it begins; an absolute one or a URI begins at its root."""
    depth = 0
    for step in re.split(r"[/\\]+", _URI.sub("", path, count=1)):
        # Some servers cut what follows a semicolon, so `..;` is a step back there.
        step = step.partition(";")[0]
        if step == "..":
            depth -= 1
            if depth < 0:
                return True
        elif step not in ("", "."):
            depth += 1
    return False


def _decoded(text: str) -> str:
    for _ in range(_ROUNDS):
        # Two bytes for one letter, which old decoders took for a dot or a slash.
        text = re.sub(r"(?i)%c0%ae", ".", re.sub(r"(?i)%c0%af", "/", text))
        after = unquote(text)
        if after == text:
            break
        text = after
    return text.replace("\u2024", ".").replace("\uff0e", ".").replace("\uff0f", "/")
