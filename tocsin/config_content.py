"""What an operator says of the content that events carry: what is looked for in it, and what is kept of it."""

from typing import Literal

from pydantic import Field

from tocsin.config_base import Section

Content = Literal["arguments", "result", "tools", "headers", "claims"]


class Inspection(Section):
    """What is looked for in the content of calls; `tocsin inspect FILE` shows what it would see."""

    enabled: bool = Field(True, description="whether content is looked into")
    budget_kib: int = Field(64, ge=1, le=1024, description="text of one event that is looked at, in KiB")
    classes: dict[str, str] = Field(
        {}, description="personal data of your own: a name and an expression of RE2, told as the signal pii:NAME"
    )
    keep: list[Content] = Field([], description="members of ext that are stored as they came; by default none is")
