"""Progress on long work: a bar on standard error where somebody watches, nothing where nobody does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def bytes_read(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """A bar over so many bytes; yields what is called with every further number of them."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def shares_done(what: str) -> Iterator[Callable[[float, str], None]]:
    """A bar from 0 to 1; yields what is called with the share done and what is being done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[doing]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=1.0, doing="")
        yield lambda done, doing: bar.update(task, completed=done, doing=doing)
