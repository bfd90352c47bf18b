"""Fuzz one target with atheris: `python tests/fuzz/fuzz.py TARGET [CORPUS] [OPTIONS]`; `--list` names them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def main() -> None:
    """Run until an option of libFuzzer or a finding ends it; an input that fails is left in the working folder."""
    if sys.argv[1:2] == ["--list"]:
        from tests.fuzz.targets import targets

        print("\n".join(targets()))
        return
    import atheris

    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["collector", "stream", "tocsin_audit"]):
        from tests.fuzz.targets import targets
    chosen = targets()[name]

    def once(data: bytes) -> None:
        chosen(data)

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
