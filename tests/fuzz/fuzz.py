"""Fuzz one target with atheris: `python tests/fuzz/fuzz.py TARGET [CORPUS] [OPTIONS]`; `--list` names them."""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

AS_JSON = 0.5
"""Share of the changes that change JSON as such; the others are libFuzzer's own."""


def main() -> None:
    """Run until an option of libFuzzer or a finding ends it; an input that fails is left in the working folder."""
    if sys.argv[1:2] == ["--list"]:
        from tests.fuzz.targets import targets

        print("\n".join(targets()))
        return
    import atheris

    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["alerting", "collector", "stream", "tocsin_audit"]):
        from tests.fuzz.targets import targets
    from tests.fuzz.mutation import mutate, words

    chosen, known = targets()[name], words()

    def once(data: bytes) -> None:
        chosen(data)

    def changed(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        made = mutate(data, most, chance, known) if chance.random() < AS_JSON else None
        return made if made is not None else atheris.Mutate(data, most)

    atheris.Setup(sys.argv, once, custom_mutator=changed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
