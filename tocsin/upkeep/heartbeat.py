"""A heartbeat to an external dead man's switch: who watches the watcher.

One request a minute while the pipeline is really alive. The service outside raises the alarm when it stays away, so
that a Tocsin, a machine or a network that is gone is noticed by somebody else.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from alerting.delivering.posting import Poster
from alerting.sink import Result
from stream.errors import ConfigError
from tocsin.config.faults import Fault, FaultsError
from tocsin.config.options import read_secret
from tocsin.config.whole import Loaded

logger = logging.getLogger("tocsin.upkeep.heartbeat")

PATH: Final = ("heartbeat",)


@dataclass(frozen=True, slots=True)
class HeartbeatPlan:
    """Where a heartbeat goes and how often, its secrets read."""

    url: str
    every: float
    method: Literal["GET", "POST"]
    headers: dict[str, str]
    ca: str | None
    timeout: float


@dataclass(frozen=True, slots=True)
class Pulse:
    """What shows whether the pipeline is alive: where alerting's clock stands, and what cannot go on.

    The clock is the log's as it reached the last stage: it moves only while receipt, detection and decisions do.
    """

    clock: float
    problems: tuple[str, ...] = ()


def why_silent(before: Pulse | None, now: Pulse | None) -> str:
    """Why there is no heartbeat now, or nothing; `before` is the pulse of the time before."""
    if now is None:
        return "another process decides"
    if now.problems:
        return f"{', '.join(now.problems)} cannot go on"
    if before is None:
        return "it has just begun"
    if now.clock <= before.clock:
        return "the clock of alerting stands still"
    return ""


class Heartbeat:
    """Beats in a thread of its own; `take` gives the pulse, None in a process whose turn it is not."""

    def __init__(self, plan: HeartbeatPlan, take: Callable[[], Pulse | None]) -> None:
        self._plan = plan
        self._take = take
        self._before: Pulse | None = None
        self._silent: str | None = None
        self._poster = Poster(ca=plan.ca, timeout=plan.timeout, headers=plan.headers)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tocsin-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._before = self._take()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(self._plan.timeout + 1)
        self._poster.close()

    def beat(self) -> str:
        """One heartbeat, or why there was none."""
        now = self._take()
        why, self._before = why_silent(self._before, now), now
        if not why:
            answer = self._poster.send(self._plan.method, self._plan.url)
            if isinstance(answer, Result):
                why = f"the request failed: {answer.why}"
            elif not answer.is_success:
                why = f"the answer was HTTP {answer.status_code}"
        if why != self._silent:
            if why:
                logger.warning("no heartbeat: %s", why)
            else:
                logger.info("heartbeat", extra={"every": self._plan.every})
        self._silent = why
        return why

    def _run(self) -> None:
        while not self._ending.wait(self._plan.every):
            self.beat()


def heartbeat_of(loaded: Loaded, faults: list[Fault]) -> HeartbeatPlan | None:
    """What the configuration says of a heartbeat; adds what is wrong with it to the faults."""
    said = loaded.config.heartbeat
    if said is None:
        return None
    try:
        plan = HeartbeatPlan(
            url=read_secret(loaded, (*PATH, "url"), said.url),
            every=said.every,
            method="POST" if said.method == "post" else "GET",
            headers={
                name: read_secret(loaded, (*PATH, "headers", name), secret) for name, secret in said.headers.items()
            },
            ca=str(loaded.path(said.ca)) if said.ca is not None else None,
            timeout=said.timeout,
        )
        if not plan.url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            faults.append(loaded.fault((*PATH, "url"), "must begin with https://", "its path is a secret"))
        Poster(ca=plan.ca, timeout=plan.timeout, headers=plan.headers).close()
    except FaultsError as error:
        faults += error.faults
        return None
    except (ConfigError, UnicodeEncodeError) as error:
        faults.append(loaded.fault(PATH, str(error)))
        return None
    return plan
