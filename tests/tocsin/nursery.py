"""Starts `tocsin` processes by forking one that has imported what others wrote: two thirds of a start's work.

Nothing of Tocsin's own is imported before the fork, so that each process reads its environment for itself.

    $ python nursery.py
    {"run": {"argv": ["run"], "cwd": "/tmp", "stdout": "/tmp/out", "stderr": "/tmp/err", "environment": {}}}
    4711
    {"poll": 4711}
    null
"""

import json
import os
import runpy
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOREIGN = (
    "alembic.command",
    "httptools",
    "httpx",
    "jinja2",
    "msgspec",
    "pagerduty",
    "prometheus_client",
    "pydantic",
    "rich.console",
    "rich.progress",
    "rich.table",
    "sqlalchemy.dialects.sqlite",
    "starlette.applications",
    "typer",
    "uvicorn",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.httptools_impl",
    "yaml",
    "zstandard",
)


def main() -> None:
    """Answer each line on standard input with one on standard output, until there are no more."""
    sys.path.insert(0, str(ROOT))
    for name in FOREIGN:
        import_module(name)
    for line in sys.stdin:
        match json.loads(line):
            case {"run": order}:
                print(start(order), flush=True)
            case {"poll": pid}:
                print(json.dumps(poll(pid)), flush=True)


def start(order: dict[str, Any]) -> int:
    """The id of a new process that is as if `python -m tocsin` had been called."""
    pid = os.fork()
    if pid:
        return pid
    quiet = os.open(os.devnull, os.O_RDONLY)
    os.dup2(quiet, 0)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
    os.chdir(order["cwd"])
    os.environ.update(order["environment"])
    sys.argv = ["tocsin", *order["argv"]]
    runpy.run_module("tocsin", run_name="__main__")
    return 0


def poll(pid: int) -> int | None:
    """The exit status of a process, negative for a signal, None while it runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


if __name__ == "__main__":
    main()
