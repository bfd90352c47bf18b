"""The configuration's part about how long things are kept."""

from typing import Annotated

from pydantic import Field

from tocsin.config.base import Section

Kept = Annotated[int | None, Field(ge=1, le=36_500)]


class Days(Section):
    """Days for which each class of data is kept; what is left out is kept as long as everybody's, or for good."""

    events: Kept = Field(None, description="events, by the day of their receipt")
    findings: Kept = Field(None, description="findings, and what operators did about them, in the log")
    incidents: Kept = Field(None, description="incidents with their timeline, once closed or resolved")
    decisions: Kept = Field(None, description="what was decided about findings, and the alerts that were sent")
    evidence: Kept = Field(None, description="the archives that were sealed when incidents opened")


class Retention(Days):
    """How long what Tocsin holds is kept; without any of it nothing is removed."""

    coverage: Kept = Field(
        None, description="what was received and looked at, by producer; it names producers, servers and tenants"
    )
    hour: int = Field(2, ge=0, le=23, description="hour of the day, in UTC, at which what is due is removed")
    tenants: dict[str, Days] = Field({}, description="other days by tenant, fewer or more")
