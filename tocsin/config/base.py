"""What every part of the configuration is made of."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of the configuration; unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Secret(Section):
    """A secret by reference: a file or an environment variable that holds it, never the value itself."""

    file: Path | None = Field(None, description="the file that holds it")
    env: str | None = Field(None, description="the environment variable that holds it")

    def read(self) -> str:
        """The secret's value; raises ValueError saying why it cannot be had."""
        if (self.file is None) == (self.env is None):
            raise ValueError("say either file or env")
        if self.env is not None:
            value = os.environ.get(self.env, "")
            if not value:
                raise ValueError(f"the environment variable {self.env} is not set")
            return value
        assert self.file is not None
        try:
            return self.file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"the file {self.file} cannot be read ({error.strerror})") from error
