"""The terminal: one line an alert on standard output or standard error."""

import io
import re
import sys
from collections.abc import Sequence
from typing import ClassVar, Final, Literal, TextIO

import msgspec
from rich.console import Console
from rich.text import Text

from alerting.alert import Alert
from alerting.harmless import harmless
from alerting.sink import DONE, Result
from stream.finding import Severity
from tocsin_audit.event import rfc3339

NAME: Final = re.compile(r"[\w.:/|@+-]+")
STYLES: Final[dict[Severity, str]] = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "yellow",
    "low": "cyan",
    "notice": "dim",
}


class TerminalOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where and how the lines are written."""

    stream: Literal["stdout", "stderr"] = "stdout"
    """Where the lines go."""
    colour: bool | None = None
    """Whether in colour; without it, where the stream is a terminal."""


class Terminal:
    """Writes alerts as lines; whether a line was seen nobody can say, so what is in doubt is marked as a repeat."""

    name: ClassVar[str] = "terminal"
    pager: ClassVar[bool] = False
    Options: ClassVar[type] = TerminalOptions

    def __init__(self, options: TerminalOptions) -> None:
        self._options = options

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Write a line for each alert; `retry` from the first that could not be written."""
        stream: TextIO = getattr(sys, self._options.stream)
        results: list[Result] = []
        for alert in alerts:
            repeated = alert.id in in_doubt
            try:
                stream.write(self._rendered(line(alert, repeated=repeated), stream))
                stream.flush()
            except (OSError, ValueError) as error:  # ValueError: the stream was closed
                results += [Result("retry", f"cannot write: {error}")] * (len(alerts) - len(results))
                break
            results.append(Result("done", repeated=True) if repeated else DONE)
        return results

    def close(self) -> None:
        """Nothing to give back: the streams are the process's."""

    def _rendered(self, text: Text, stream: TextIO) -> str:
        # Never onto the stream itself: rich ends the process where a pipe is broken.
        colour = stream.isatty() if self._options.colour is None else self._options.colour
        console = Console(
            file=io.StringIO(), force_terminal=colour, no_color=not colour, markup=False, emoji=False, highlight=False
        )
        with console.capture() as capture:
            console.print(text, soft_wrap=True)
        encoding = stream.encoding or "utf-8"
        return capture.get().encode(encoding, "backslashreplace").decode(encoding)


def line(alert: Alert, *, repeated: bool) -> Text:
    """The alert in one line: when, how severe, which incident, what, about whom.

    What is ours comes first and what strangers wrote is in quotes where it is more than a name, so that no value can
    pass for another field.
    """
    incident = alert.incident
    about = {**incident.entity, **({"tenant": incident.tenant} if incident.tenant else {})}
    values = " ".join(f"{key}={_value(value)}" for key, value in sorted(about.items()))
    parts = [
        (rfc3339(alert.time)[:19] + "Z ", "dim"),
        (f"{incident.severity.upper():8}", STYLES[incident.severity]),
        (f" {'PAGE ' if alert.page else ''}{alert.change}", "bold" if alert.page else ""),
        (f" {harmless(incident.id, 80)}: ", "dim"),
        (harmless(incident.title, 300), ""),
        (f" ({values})" if values else "", ""),
        (" [may be a repeat]" if repeated else "", "italic"),
    ]
    return Text.assemble(*parts)


def _value(value: str) -> str:
    text = harmless(value, 80)
    return text if NAME.fullmatch(text) else '"' + text.replace('"', "'") + '"'


SINK: Final = Terminal
