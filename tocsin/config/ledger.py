"""The configuration's part about proof: how often the log is sealed, and where checkpoints are anchored."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tocsin.config.base import Secret, Section


class FileAnchor(Section):
    """A file that checkpoints are appended to, best where Tocsin may append but not rewrite."""

    type: Literal["file"] = Field(description="file")
    path: Path = Field(description="the file; a line of JSON for each checkpoint")


class WebhookAnchor(Section):
    """An address that each checkpoint is posted to as JSON."""

    type: Literal["webhook"] = Field(description="webhook")
    url: str = Field(pattern="^https?://", description="where to post")
    token: Secret | None = Field(None, description="a bearer token by reference")
    ca: Path | None = Field(None, description="a PEM file with the authorities of the server's certificate")


class SyslogAnchor(Section):
    """A syslog server that gets each checkpoint as one RFC 5424 message over TCP or UDP."""

    type: Literal["syslog"] = Field(description="syslog")
    host: str = Field(description="the server")
    port: int = Field(514, ge=1, le=65535, description="its port")
    protocol: Literal["tcp", "tls", "udp"] = Field(
        "tcp", description="tls checks the certificate; udp loses in silence"
    )
    ca: Path | None = Field(None, description="a PEM file with the authorities of the server's certificate")


Anchor = Annotated[FileAnchor | WebhookAnchor | SyslogAnchor, Field(discriminator="type")]


class Ledger(Section):
    """The signed ledger of everything that flows through the log."""

    key: Secret | None = Field(
        None, description="the signing key by reference; else `ledger-key` in the data directory"
    )
    seal_seconds: float = Field(10.0, ge=0.1, le=3600, description="seconds between two seals")
    anchor_seconds: float = Field(60.0, ge=1, le=86400, description="seconds between two checkpoints shown outside")
    anchors: dict[str, Anchor] = Field(
        {},
        description="where checkpoints are kept out of reach, by a name of your choice; elasticsearch sinks too",
    )
