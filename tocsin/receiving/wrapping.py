"""Wrapping a server over stdio, and the clients' configurations that start it so."""

import getpass
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from collector.wrap.client_file import ClientFile
from collector.wrap.install import unwrapped, wrapped
from collector.wrap.relay import NOT_EXECUTABLE, NOT_FOUND, Relay, end_like
from collector.wrap.watch import Watcher, change_event, digest
from stream.errors import ConfigError, RejectedError

_INTERPRETERS: Final = frozenset({"npx", "uvx", "node", "python", "python3", "bunx", "deno", "docker", "uv", "run"})


def run(
    command: list[str],
    server: str | None,
    user: str | None,
    tenant: str | None,
    events: Path | None,
    env_file: Path | None,
    started_by: Path | None,
) -> int:
    """Run the server until it ends; its exit code. Raises ConfigError where `env_file` cannot be read."""
    environment = {**read_env(env_file), **os.environ}
    watcher = Watcher(
        server or environment.get("TOCSIN_SERVER") or name_of(command),
        environment,
        user=user or account(),
        tenant=tenant,
        events=events,
        started_by=started_by,
    )
    for fault in watcher.faults:
        _say(fault)
    if not watcher.enabled:
        _say("not audited: neither TOCSIN_URL and TOCSIN_KEY nor --events are set")
    try:
        relay = Relay(command, watcher.asked, watcher.answered)
    except FileNotFoundError:
        _say(f"there is no command '{command[0]}'")
        return NOT_FOUND
    except OSError as error:
        _say(f"'{command[0]}' cannot be started ({error.strerror})")
        return NOT_EXECUTABLE
    watcher.start()
    status = relay.run()
    watcher.stop(status)
    return end_like(status)


def read_env(file: Path | None) -> dict[str, str]:
    """The variables of a file, one `NAME=VALUE` a line; the default file need not be there.

    Raises ConfigError where a file that was named cannot be read.
    """
    path = file or default_env(os.environ)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        if file is None:
            return {}
        raise ConfigError("there is no such file", where=str(path), hint="one NAME=VALUE a line") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read ({error})", where=str(path)) from error
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, equals, value in pairs if equals}


def default_env(environment: Mapping[str, str]) -> Path:
    """Where the variables are looked for, since desktop programs inherit none from a shell."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "tocsin" / "wrap.env"


def account() -> str | None:
    """This account on this host, as the person who works with the server."""
    try:
        return f"{socket.gethostname()}|{getpass.getuser()}"
    except (OSError, KeyError):
        return None


def name_of(command: list[str]) -> str:
    """What to call a server that nobody named: its package or program, without what starts it."""
    for word in command:
        name = Path(word).name.removesuffix(".exe").removesuffix(".cmd")
        if word.startswith("-") or name in _INTERPRETERS:
            continue
        return name.partition("@")[0] or name
    return Path(command[0]).name


def _say(text: str) -> None:
    print(f"tocsin wrap: {text}", file=sys.stderr, flush=True)  # noqa: T201  # standard error is for people here


def edit(
    file: Path,
    *,
    server: str | None,
    undo: bool,
    dry_run: bool,
    events: Path | None,
    env_file: Path | None,
) -> None:
    """Wrap the servers of a client's configuration or undo it, and show the difference.

    Raises RejectedError where it is no such file, StorageError where it cannot be read or written.
    """
    target = ClientFile(file)
    try:
        if undo:
            done = unwrapped(target.text, target.before, server)
        else:
            options = ["--started-by", str(target.path)]
            options += ["--events", str(events.resolve())] if events is not None else []
            options += ["--env-file", str(env_file.resolve())] if env_file is not None else []
            done = wrapped(target.text, program(), options, server)
    except ValueError as error:
        raise RejectedError(
            str(error), where=str(file), hint="name the file in which the client lists its MCP servers"
        ) from None
    for name, why in done.left.items():
        _say(f"{name} stays as it is: {why}")
    if not done.changed:
        _say("nothing to do")
        return
    print(target.difference(done.text), end="")  # noqa: T201  # the difference is what was asked for
    if dry_run:
        return
    before = digest(target.path)
    # What the file would be without us; it goes with the last server that is undone.
    rest = unwrapped(done.text, None).changed
    plain = (target.before if rest else None) if undo else unwrapped(target.text, target.before).text
    target.replace(done.text, backup=plain)
    for name in done.changed:
        _tell(name, target.path, "unwrapped" if undo else "wrapped", before, events, env_file)
    what = "back as before" if undo else "wrapped"
    _say(f"{', '.join(done.changed)}: {what}; restart the client")


def program() -> list[str]:
    """How this program is started, by its full path, since desktop programs have a path of their own."""
    started = Path(sys.argv[0])
    if started.stem == "tocsin" and started.suffix in ("", ".exe") and started.exists():
        return [str(started.absolute())]
    return [sys.executable, "-m", "tocsin"]


def _tell(name: str, path: Path, action: str, before: str | None, events: Path | None, env_file: Path | None) -> None:
    """Ship the change of a configuration as an event of the server that it starts."""
    watcher = Watcher(name, {**read_env(env_file), **os.environ}, events=events)
    watcher.note(change_event(path, action, before, digest(path), name))
