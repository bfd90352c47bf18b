"""The repository as its tests see it."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("stream", "collector", "detectors", "alerting", "tocsin")
"""What the distribution `tocsin` is made of."""
AUDIT = "audit/tocsin_audit"


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that belongs to the repository and is there, relative to its root."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(Path(name) for name in listing.split("\0") if name and (ROOT / name).is_file())


def sources() -> list[Path]:
    """The modules that run in production, relative to the root."""
    return [path for path in tracked() if path.suffix == ".py" and path.as_posix().startswith((*_FOLDERS,))]


_FOLDERS = tuple(f"{folder}/" for folder in (AUDIT, *PACKAGES, "benchmarks", "scripts"))
