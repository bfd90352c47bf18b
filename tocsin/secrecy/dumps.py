"""Core dumps: none, since they would hold every key and whatever passed through memory."""

import resource


def forbid() -> None:
    """Have this process, and those that it starts, leave no core dump; it cannot be allowed again."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
