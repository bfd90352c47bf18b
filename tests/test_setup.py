"""A machine that cannot be set up is told why and what to do; what an interrupted set-up left is made anew."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import ROOT

READ = ("scripts/setup.sh", "requirements.lock", "pyproject.toml", "audit/pyproject.toml")
OLD = '[ "$1" = --version ] && echo "Python 3.9.18" && exit\nexit 1'
WITHOUT_VENV = f'case "$1 $2" in -m* | *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"'
LAME = "#!/bin/sh\nexit 1\n"
"""The interpreter of an environment in which nothing works, so that no test can install anything anywhere."""
WITHOUT_NETWORK = f"""
case "$2" in venv)
  rm -rf .venv && mkdir -p .venv/bin && printf {LAME!r} >.venv/bin/python && chmod +x .venv/bin/python
  echo "made with $*" && exit;;
esac
[ "$1" = -m ] && exit 1
exec {sys.executable} "$@"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the set-up reads."""
    for name in READ:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_an_old_python_is_named_with_its_version(checkout: Path) -> None:
    said = _set_up(checkout, _python(checkout, OLD))
    assert "3.11 or newer is needed" in said
    assert "Python 3.9.18" in said
    assert "make setup PYTHON=" in said


def test_a_missing_python_is_named(checkout: Path) -> None:
    said = _set_up(checkout, Path("no-such-python"))
    assert "there is no 'no-such-python'" in said
    assert len(said.splitlines()) == 2


def test_a_python_without_venv_is_told_what_to_install(checkout: Path) -> None:
    said = _set_up(checkout, _python(checkout, WITHOUT_VENV))
    assert "cannot make virtual environments" in said
    assert "python3-venv" in said


def test_without_a_network_it_says_what_it_could_not_fetch(checkout: Path) -> None:
    said = _set_up(checkout, _python(checkout, WITHOUT_NETWORK))
    assert "could not fetch uv" in said
    assert "proxy" in said


@pytest.mark.parametrize(
    ("python", "pip"),
    [(LAME, None), ("#!/bin/sh\n[ $3 = --version ]\n", "#!/elsewhere/.venv/bin/python\n")],
    ids=["half made", "moved"],
)
def test_a_half_made_or_moved_environment_is_made_anew(checkout: Path, python: str, pip: str | None) -> None:
    programs = checkout / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").write_text(python)
    (programs / "python").chmod(0o755)
    if pip is not None:
        (programs / "pip").write_text(pip)
    assert "made with -m venv --clear .venv" in _set_up(checkout, _python(checkout, WITHOUT_NETWORK))


def _python(folder: Path, script: str) -> Path:
    path = folder / "python-of-this-machine"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def _set_up(checkout: Path, python: Path) -> str:
    done = subprocess.run(
        [checkout / "scripts" / "setup.sh"],
        cwd="/",
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHON": str(python)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    return done.stderr
