"""What Tocsin's own log tells, and what it leaves to those who look into a client."""

import subprocess
import sys

PROGRAM = """
import logging, sys
from tocsin.upkeep.logs import set_up
set_up(sys.argv[1], "text")
logging.getLogger("kafka.net.transport").error("socket disconnected")
logging.getLogger("kafka.coordinator").warning("coordinator dead")
logging.getLogger("tocsin.worker").error("stage cannot go on")
"""


def told(level: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, level], capture_output=True, text=True, check=True)
    return [line.split(": ", 1)[1] for line in done.stderr.splitlines()]


def test_each_connection_of_kafkas_client_is_told_only_where_everything_is() -> None:
    assert told("info") == ["coordinator dead", "stage cannot go on"]
    assert told("debug") == ["socket disconnected", "coordinator dead", "stage cannot go on"]
