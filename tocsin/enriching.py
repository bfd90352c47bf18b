"""From configuration to what is done with events at receipt."""

import re

from collector.enrich import Options
from collector.inspection.inspector import Inspector
from tocsin.config import Loaded
from tocsin.faults import Fault


def options_of(loaded: Loaded, faults: list[Fault]) -> Options:
    """What the configuration says of content; every fault is added to `faults`."""
    said = loaded.config.inspection
    inspector = None
    for name in said.classes:
        if re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name) is None:
            what = "a name is of small letters, digits and underscores"
            faults.append(loaded.fault(("inspection", "classes", name), what))
    try:
        inspector = Inspector(said.classes, said.budget_kib * 1024) if said.enabled else None
    except ValueError as error:
        what = f"no expression of RE2: {error}"
        faults.append(loaded.fault(("inspection", "classes"), what, "RE2 has no look-around and no back-references"))
    return Options(inspector, frozenset(said.keep))
