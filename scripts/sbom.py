"""The bill of materials: CycloneDX 1.6 of all that is locked, with hashes, from the lock alone and without a network.

    $ python -m scripts.sbom > tocsin.cdx.json

The same lock gives the same bytes.
"""

import json
import re
import sys
import tomllib
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).parents[1]
PINNED = re.compile(r"([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill(lock: str, version: str) -> str:
    """The document for a lock and a version of Tocsin."""
    components: list[Component] = []
    for line in lock.splitlines():
        if (pinned := PINNED.match(line)) is not None:
            name, number = pinned[1], pinned[2]
            url = PackageURL("pypi", None, name, number)
            components.append(
                Component(type=ComponentType.LIBRARY, name=name, version=number, purl=url, bom_ref=str(url))
            )
        elif (digest := HASH.search(line)) is not None and components:
            components[-1].hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=digest[1]))
    ours = Component(type=ComponentType.APPLICATION, name="tocsin", version=version, bom_ref=f"tocsin@{version}")
    needs = Dependency(ours.bom_ref, [Dependency(one.bom_ref) for one in components])
    bom = Bom(components=components, dependencies=[needs])
    bom.metadata.component = ours
    bom.serial_number = uuid5(NAMESPACE_URL, f"tocsin@{version}\n{lock}")
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    # A moment would make two bills of one lock differ.
    document["metadata"].pop("timestamp", None)
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def main() -> int:
    """Print it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    sys.stdout.write(bill((ROOT / "requirements.lock").read_text(), project["version"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
