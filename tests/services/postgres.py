"""A real PostgreSQL from the machine's own binaries, one server a run, a fresh database for whoever asks."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from tests.services.run import MissingError, OwnServer, ended, keep, log_tail, shared_server

VARIABLE = "TOCSIN_TEST_POSTGRES"
PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
    "Applications/Postgres.app/Contents/Versions/*/bin",
)
READY = 60.0


@contextmanager
def fresh_database() -> Iterator[str]:
    """A new empty database on the run's server, dropped afterwards; gives its SQLAlchemy URL."""
    server = make_url(os.environ.get(VARIABLE) or shared_server("postgres", start_postgres))
    admin = server.set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"tocsin_{secrets.token_hex(6)}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield server.set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def start_postgres(folder: Path) -> str:
    """Make a cluster in the folder and start it on a free loopback port; gives its URL.

    Raises MissingError where PostgreSQL is not installed, RuntimeError with the log where it does not start.
    """
    binaries = find_binaries()
    user = unprivileged_user()
    password = make_cluster(binaries, folder, user)
    for _ in range(5):
        # The port is free now and may be taken in a moment; PostgreSQL cannot choose one itself, so try again.
        url = f"postgresql://postgres:{password}@127.0.0.1:{free_port()}/postgres"
        keeper = keep(folder, server_command(binaries, folder, url), user=user)
        if wait_ready(url, folder):
            return url
        if not ended(folder):
            os.kill(keeper, signal.SIGTERM)
            break
    raise RuntimeError(f"PostgreSQL did not start: {log_tail(folder)}")


class OwnPostgres(OwnServer):
    """A server with its data in a folder; what it committed survives its being killed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._password = ""

    def start(self) -> str:
        """Start, again at the same port, and wait until it answers; gives its SQLAlchemy URL."""
        binaries, user = find_binaries(), unprivileged_user()
        if not self._password:
            self.folder.mkdir(parents=True)
            self.folder.chmod(0o755)
            self._password = make_cluster(binaries, self.folder, user)
            self.port = free_port()
        # A lock that a killed server left behind is in nobody's hands.
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        url = f"postgresql://postgres:{self._password}@127.0.0.1:{self.port}/postgres"
        command = [*server_command(binaries, self.folder, url), "-c", "synchronous_commit=on"]
        self._keeper = keep(self.folder, command, user=user)
        if not wait_ready(url, self.folder):
            raise RuntimeError(f"PostgreSQL did not start: {log_tail(self.folder)}")
        return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def make_cluster(binaries: Path, folder: Path, user: str | None) -> str:
    """Make a cluster in a folder; gives its password. Raises RuntimeError with the words of initdb."""
    password = secrets.token_hex(12)
    passwords = folder / "password"
    passwords.write_text(password)
    if user is not None:
        shutil.chown(folder, user)
        shutil.chown(passwords, user)
    make = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "--no-sync", "--no-instructions"]
    make += ["--pwfile", str(passwords), "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
    made = subprocess.run(make, cwd="/", user=user, capture_output=True, text=True, check=False)
    if made.returncode:
        raise RuntimeError(f"initdb failed: {made.stderr[-2000:]}")
    return password


def server_command(binaries: Path, folder: Path, url: str) -> list[str]:
    """The server without durability, which tests do not need, on TCP alone."""
    settings = {
        "port": make_url(url).port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": 200,
        "shared_buffers": "64MB",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
        "timezone": "UTC",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return [str(binaries / "postgres"), "-D", str(folder / "data"), *options]


def wait_ready(url: str, folder: Path) -> bool:
    """Wait until the server answers a query; False where it ended before or does not get there."""
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline and not ended(folder):
        try:
            with psycopg.connect(url, connect_timeout=5) as connection:
                connection.execute("SELECT 1")
                return True
        except psycopg.OperationalError:
            time.sleep(0.05)
    return False


def find_binaries() -> Path:
    """The folder of `initdb` and `postgres`: on the path, at the usual places, from Debian or from pgserver.

    Debian's package is installed only where we are root, who may do so. Raises MissingError with the way to get it.
    """
    if found := installed_binaries():
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("tests: installing Debian's postgresql for the tests that need it (a minute)", file=sys.stderr)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
            subprocess.run(["apt-get", "-qq", *words], env=environment, capture_output=True, check=False)
        if found := installed_binaries():
            return found
    raise MissingError(
        "PostgreSQL is not installed: install it with the system's packages, or `.venv/bin/pip install pgserver`, "
        f"or let {VARIABLE} point at a server (postgresql://user:password@host/postgres)"
    )


def installed_binaries() -> Path | None:
    """Where PostgreSQL already is, the newest first."""
    if (path := shutil.which("initdb")) and Path(path).resolve().with_name("postgres").exists():
        return Path(path).resolve().parent
    for pattern in PLACES:
        found = [path for path in Path("/").glob(pattern) if (path / "initdb").exists()]
        if found:
            return max(
                found, key=lambda path: [int(part) for part in str(path).replace("/", " ").split() if part.isdigit()]
            )
    if (spec := find_spec("pgserver")) and spec.origin:
        return Path(spec.origin).parent / "pginstall" / "bin"
    return None


def unprivileged_user() -> str | None:
    """Whom the server runs as: ourselves, or an ordinary account when we are root, whom initdb refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise MissingError("PostgreSQL does not run as root and this machine has neither the account postgres nor nobody")


def free_port() -> int:
    """A port of the loopback interface that is free at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
