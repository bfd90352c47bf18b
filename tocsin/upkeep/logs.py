"""Tocsin's own log: one line a happening on standard error, as JSON for machines or as text for people."""

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


_CLIENTS_OWN: Final = ("kafka.net", "kafka.cluster", "kafka.consumer.fetcher", "kafka.producer.sender")
"""Loggers that tell of each connection and each repeated request of Kafka's client."""


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and every extra field."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields.update(extras(record))
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


class TextLines(logging.Formatter):
    """Time, level, message and `key=value` extras; control characters cannot forge a second line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, with a traceback below where there is one."""
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        text = f"{moment} {record.levelname.lower():7} {record.name}: {one_line(record.getMessage())}"
        for key, value in extras(record).items():
            text += f" {key}={one_line(str(value))}"
        return text + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def extras(record: logging.LogRecord) -> dict[str, object]:
    """What the caller gave as `extra`."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def one_line(text: str) -> str:
    """Text with everything that is not printable made visible, so that a line stays a line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class Discreet(logging.Formatter):
    """Another formatter's lines, without what `hide` takes out of a text."""

    def __init__(self, lines: logging.Formatter, hide: Callable[[str], str]) -> None:
        super().__init__()
        self._lines = lines
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line that holds no secret."""
        return self._hide(self._lines.format(record))


def worth_telling(record: logging.LogRecord) -> bool:
    """Whether a line says more than a stage's problem does: one broker's restart is hundreds of a client's own lines.

    A handler leaves them out, not the loggers: of a refused login the client says nowhere else why.
    """
    return not record.name.startswith(_CLIENTS_OWN)


def set_up(level: str, form: Literal["json", "text"], hide: Callable[[str], str] = str) -> None:
    """Send every logger of this process to standard error in one form; `hide` takes the secrets out of a text."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Discreet(JsonLines() if form == "json" else TextLines(), hide))
    if level.upper() != "DEBUG":
        handler.addFilter(worth_telling)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.access", "httpx", "httpcore", "mcp", "fastmcp", "alembic", "docket"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # What goes wrong at a sink is told once, by delivery.
    logging.getLogger("elastic_transport").setLevel(logging.CRITICAL)
    for own in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(own).handlers[:] = []
        logging.getLogger(own).propagate = True
    # What it says of its starting and ending, Tocsin says itself.
    logging.getLogger("uvicorn.error").setLevel(max(root.level, logging.WARNING))
