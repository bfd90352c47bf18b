"""What an operator says of events at receipt: what is looked for, what is kept, who is believed, and who counts."""

from typing import Literal

from pydantic import Field

from collector.identity.keys import ALGORITHMS
from tocsin.config.base import Secret, Section

Content = Literal["arguments", "result", "tools", "headers", "claims"]


class Inspection(Section):
    """What is looked for in the content of calls; `tocsin inspect FILE` shows what it would see."""

    enabled: bool = Field(True, description="whether content is looked into")
    budget_kib: int = Field(64, ge=1, le=1024, description="text of one event that is looked at, in KiB")
    classes: dict[str, str] = Field(
        {}, description="personal data of your own: a name and an expression of RE2, told as the signal pii:NAME"
    )
    keep: list[Content] = Field([], description="members of ext that are stored as they came; by default none is")


Policy = Literal["keep", "clean", "drop", "hash", "seal", "alias"]


class Privacy(Section):
    """What becomes of each field before an event is stored."""

    fields: dict[str, Policy] = Field(
        {},
        description="by field: keep, clean (credentials, e-mail addresses and paths masked), drop, hash (nobody turns "
        "it back), seal (AES-256-GCM), alias (equal values stay equal, `tocsin reveal` turns them back)",
    )
    key: Secret | None = Field(
        None, description="the key of what is hidden: a line ID:SECRET each, the newest first; old ones still reveal"
    )
    fingerprint_key: Secret | None = Field(
        None, description="the fleet's fingerprint key, for tokens and arguments that arrive whole"
    )


class Issuer(Section):
    """Whose tokens are checked; all others stay claims."""

    issuer: str = Field(description="the `iss` of its tokens")
    jwks: str = Field(description="its key set: a URL, or a file")
    audience: list[str] = Field([], description="the `aud` that a token must name; any where none is said")
    algorithms: list[str] = Field(list(ALGORITHMS), description="signatures that are taken")
    servers: list[str] = Field([], description="MCP servers whose callers it vouches for; all where none is named")


class Identity(Section):
    """Who is believed about callers: proxies about addresses, issuers about names."""

    trusted_proxies: list[str] = Field(
        [], description="addresses or networks of proxies whose X-Forwarded-For is read, from the right"
    )
    issuers: list[Issuer] = Field([], description="issuers of tokens, with their keys")


class Counting(Section):
    """Which vantage point counts a server's calls: a format, `input:NAME`, a key's id or a producer (with *)."""

    counts: str = Field(description="who counts calls")
    auth: str | None = Field(None, description="who counts refused logins; the same by default")


class Vantage(Section):
    """One call seen from several vantage points counts once."""

    servers: dict[str, str | Counting] = Field(
        {}, description="who counts the calls of a server (* for all others); else whichever format comes first"
    )
    trace_seconds: float = Field(120.0, ge=0, le=3600, description="how far apart two sightings of a trace may be")
    window_seconds: float = Field(
        2.0, ge=0, le=60, description="how far apart two sightings without a trace may be; 0 leaves them apart"
    )
