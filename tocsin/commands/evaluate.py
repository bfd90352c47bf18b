"""`tocsin evaluate`: recall, precision and delay on labelled corpora."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tocsin.commands.options import ConfigOption, JsonOption

app = typer.Typer()

FIGURES = Path("docs/evaluation.json")


@app.command(epilog="Example: tocsin evaluate corpus --against other.yaml --html evaluation.html")
def evaluate(
    corpora: Annotated[list[Path] | None, typer.Argument(help="Corpus folders (default: the standard set).")] = None,
    config: ConfigOption = None,
    against: Annotated[Path | None, typer.Option(help="A second configuration to compare with.")] = None,
    figures: Annotated[Path | None, typer.Option(help="Committed figures to hold the result to.")] = None,
    write: Annotated[Path | None, typer.Option(help="Write the figures of this run to a file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Backtest labelled corpora and hold the findings against the truth. Exit code 1 on regression.

    Without corpora the standard set is simulated (and kept in the user's cache), together with the folders that
    TOCSIN_CORPORA names, and the result is held to docs/evaluation.json where that is.
    """
    from tocsin.evaluation.corpus import extra_corpora
    from tocsin.evaluation.evaluate import evaluate as run
    from tocsin.evaluation.evaluate import standard_set
    from tocsin.evaluation.page import html_page
    from tocsin.evaluation.regression import write_figures
    from tocsin.evaluation.report import to_json
    from tocsin.evaluation.table import print_report
    from tocsin.progress import shares_done
    from tocsin.upkeep.cycles import spare

    spare()
    with shares_done("evaluating") as progress:
        chosen = corpora or [*standard_set(_cache(), progress), *extra_corpora(os.environ)]
        committed = figures or (FIGURES if not corpora and write is None and FIGURES.is_file() else None)
        report = run(
            chosen,
            _backtest(config),
            against=_backtest(against) if against is not None else None,
            figures=committed,
            progress=progress,
        )
    if write is not None:
        write_figures(write, report)
    if html is not None:
        html.write_text(html_page(report), encoding="utf-8")
    if as_json:
        typer.echo(to_json(report).decode())
    else:
        print_report(report, Console())
    if report.regressions:
        raise typer.Exit(1)


def _backtest(config: Path | None) -> Any:
    from collector.discovery import load_format
    from stream.directory import EMPTY
    from tocsin.config.directory_file import read_directory
    from tocsin.config.whole import load_config, parse_config
    from tocsin.history.backtest import backtest
    from tocsin.history.files import Reading
    from tocsin.setup import assemble

    loaded = load_config(config) if config is not None else parse_config("")

    def run(corpus: Any, told: Any) -> object:
        ready = assemble(loaded, sinks=False)
        directory = read_directory(corpus.directory)[0] if corpus.directory is not None else EMPTY
        return backtest(
            [corpus.events],
            detectors=ready.detectors,
            directory=directory,
            policies=ready.policies,
            modes=ready.modes,
            form=load_format("native"),
            reading=Reading(),
            told=told,
        )

    return run


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tocsin" / "corpora"
