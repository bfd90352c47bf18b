"""Writing a corpus folder: events in the order of their arrival, directory, truth, configuration and a README."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import yaml
import zstandard

from stream.errors import StorageError
from tocsin.simulation.label import Label

EVENTS: Final = "events.ndjson.zst"
_CHUNK: Final = 1 << 20


class EventsWriter:
    """Compresses lines into a file as they come and digests what they say (SHA-256 of the uncompressed bytes)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = sha256()
        self._buffer = bytearray()
        self.count = 0
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise StorageError(
                f"events cannot be written ({error.strerror})", where=str(path), hint="choose another --out"
            ) from error
        self._stream = zstandard.ZstdCompressor(level=1).stream_writer(self._file)

    def write(self, line: bytes) -> None:
        """One more line, without its newline."""
        buffer = self._buffer
        buffer += line
        buffer += b"\n"
        self.count += 1
        if len(buffer) >= _CHUNK:
            self._flush()

    @property
    def digest(self) -> str:
        """The SHA-256 of all lines written and flushed."""
        self._flush()
        return self._hash.hexdigest()

    def __enter__(self) -> "EventsWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        self._stream.close()  # type: ignore[no-untyped-call]  # zstandard types its arguments only
        self._file.close()

    def _flush(self) -> None:
        if self._buffer:
            self._hash.update(self._buffer)
            self._stream.write(self._buffer)
            self._buffer.clear()


def write_truth(out: Path, about: dict[str, Any], labels: Sequence[Label]) -> None:
    """`truth.json`: what was planted, by the events that made it; labels that came to nothing are left out."""
    happened = sorted((label for label in labels if label.count), key=lambda label: (label.start, label.id))
    truth = about | {
        "incidents": [label.record() for label in happened if label.why_benign is None],
        "decoys": [label.record() for label in happened if label.why_benign is not None],
    }
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")


def write_directory(out: Path, tree: dict[str, Any]) -> None:
    """`directory.yaml`: what the operator would have told Tocsin."""
    text = yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=160) if tree else "{}\n"
    (out / "directory.yaml").write_text(text, encoding="utf-8")


def write_about(out: Path, about: dict[str, Any], summary: dict[str, Any]) -> None:
    """`tocsin.yaml` and the README that names seed, parameters, size and digest."""
    (out / "tocsin.yaml").write_text("directory: directory.yaml\n", encoding="utf-8")
    lines = [f"# {about['corpus']}", "", "Simulated MCP audit traffic with known truth, made by `tocsin simulate`.", ""]
    lines += [f"- {name}: {value}" for name, value in (about | summary).items()]
    lines += [
        "",
        "`events.ndjson.zst` is in the order of arrival; `digest` is the SHA-256 of its uncompressed bytes.",
        "",
    ]
    (out / "README.md").write_text("\n".join(lines), encoding="utf-8")
