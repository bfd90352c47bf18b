"""What a chat shows of an alert: a headline and lines in which nothing is a link, a mention or a format."""

from typing import Final

from alerting.alert import Alert
from alerting.harmless import harmless, harmless_block, unlinked, unmarked
from alerting.wording.message import title

SHORTEST: Final = 40
"""Characters that are left of the text at least, however little room there is."""
_BARE: Final = str.maketrans({"&": "＆"})


def headline(alert: Alert, limit: int) -> str:
    """The line that a message begins with."""
    line = quiet(f"{alert.change}: {title(alert.incident)}")
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def body(alert: Alert, room: int, *, repeated: bool) -> str:
    """The text without what the headline says, cut in the middle where there is no room, so that its end still says
    where to look."""
    incident = alert.incident
    written = harmless_block(alert.text, 60, 400)
    if len(written) > 1 and written[0] == harmless(title(incident), 400):
        del written[0]
    lines = [quiet(line) for line in written]
    if not any(incident.id in line for line in lines[-1:]):
        lines.append(f"Incident {harmless(incident.id, 80)}, opening {incident.opening}")
    if repeated:
        lines.append("(This may be a repeat.)")
    tail = lines[-2:] if repeated else lines[-1:]
    while len(lines) > len(tail) and len("\n".join(lines)) > room:
        lines = [*lines[: -len(tail) - 2], "…", *tail] if len(lines) > len(tail) + 1 else tail
    return "\n".join(lines)[: max(room, SHORTEST)]


def paragraphs(text: str, limit: int) -> list[str]:
    """Text of several lines in pieces of at most `limit` characters, cut between lines where that is possible."""
    pieces: list[str] = []
    for line in text.splitlines():
        if pieces and len(pieces[-1]) + 1 + len(line) <= limit:
            pieces[-1] += f"\n{line}"
        else:
            pieces += [line[start : start + limit] for start in range(0, len(line), limit)]
    return pieces


def quiet(line: str) -> str:
    """A harmless line without domains, formats, and what some chats read as the beginning of an escape."""
    return unmarked(unlinked(line)).translate(_BARE)
