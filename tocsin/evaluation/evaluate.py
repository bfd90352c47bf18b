"""`tocsin evaluate`: backtest every corpus, hold the findings against the truth, compare, and check for regression."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import msgspec

from stream.errors import RejectedError
from tocsin import simulation
from tocsin.evaluation.corpus import Corpus, read_corpus
from tocsin.evaluation.regression import read_figures, regressions
from tocsin.evaluation.report import Change, Report, change
from tocsin.evaluation.score import Score, Scorer, Span
from tocsin.evaluation.span import span_of
from tocsin.simulation import STANDARD, simulate

Progress = Callable[[float, str], None]
"""Told the share done, 0 to 1, and what is being done."""


class Backtest(Protocol):
    """How findings come about: `tocsin.backtest.backtest`."""

    def __call__(self, files: list[Path], *, config: Any, directory: Path | None, findings_out: Path | None) -> object:
        """Backtest files of events and write one finding a line."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to evaluate: corpora, a configuration, another to compare with, committed figures to be held against."""

    corpora: Sequence[Path]
    config: Any = None
    against: Any = None
    compare: bool = False
    figures: Path | None = None


def evaluate(asked: Asked, backtest: Backtest, progress: Progress | None = None) -> Report:
    """Evaluate corpora with a backtest; raises RejectedError for a folder that is none."""
    if not asked.corpora:
        raise RejectedError(
            "nothing to evaluate", where="evaluate", hint="name a corpus folder or use the standard set"
        )
    corpora = [read_corpus(path) for path in asked.corpora]
    rounds = len(corpora) * (2 if asked.compare else 1)
    scores: list[Score] = []
    changes: list[Change] = []
    done = 0
    for corpus in corpora:
        span = span_of(corpus.events)
        for config in (asked.config, asked.against)[: 2 if asked.compare else 1]:
            if progress is not None:
                progress(done / rounds, corpus.name)
            score = run(corpus, span, config, backtest)
            done += 1
            if len(scores) > len(changes) and asked.compare:
                changes.append(change(scores[-1], score))
            else:
                scores.append(score)
    worse, notes = ([], []) if asked.figures is None else regressions(scores, read_figures(asked.figures))
    return Report(scores=scores, changes=changes, regressions=worse, notes=notes)


def run(corpus: Corpus, span: Span, config: Any, backtest: Backtest) -> Score:
    """Backtest one corpus and score what was found."""
    with tempfile.TemporaryDirectory(prefix="tocsin-evaluate-") as folder:
        out = Path(folder) / "findings.ndjson"
        backtest([corpus.events], config=config, directory=corpus.directory, findings_out=out)
        return score_findings(corpus, findings_in(out), span)


def score_findings(corpus: Corpus, findings: Iterable[Mapping[str, Any]], span: Span) -> Score:
    """The score of findings, wherever they come from, against a corpus' truth."""
    scorer = Scorer(corpus)
    for finding in findings:
        scorer.add(finding)
    return scorer.score(span)


def findings_in(path: Path) -> Iterator[dict[str, Any]]:
    """The findings of a file with one JSON object a line; none where it is missing."""
    if not path.exists():
        return
    decoder = msgspec.json.Decoder(dict[str, Any])
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                if line.strip():
                    yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise RejectedError(
                    f"not a finding: {error}", where=f"{path}:{number}", hint="use the output of `tocsin backtest`"
                ) from error


def standard_set(cache: Path, progress: Progress | None = None) -> list[Path]:
    """The standard corpora, made where they are not there yet; `cache` keeps them for the next time."""
    folders: list[Path] = []
    generator = _generator()
    for number, (preset, seed) in enumerate(STANDARD):
        folder = cache / f"{preset}-{seed}-{generator}"
        # The README is written last: a folder without one was left half done.
        if not (folder / "README.md").is_file():
            simulate(seed, None, folder, preset=preset, progress=_part(progress, number, len(STANDARD)))
        folders.append(folder)
    return folders


def _generator() -> str:
    # By its source, so that a changed generator never leaves old corpora in use.
    digest = blake2b(digest_size=6)
    for source in sorted(Path(simulation.__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _part(progress: Progress | None, number: int, parts: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, text: progress((number + done) / parts, f"simulating: {text}")
