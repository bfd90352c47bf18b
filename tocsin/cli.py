"""The command line: one module a command in `tocsin.commands`, in the order in which a newcomer meets them."""

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from stream.errors import ConfigError, TocsinError

WRONG: Final = 1
USAGE: Final = 2

COMMANDS: Final = (
    "demo",
    "run",
    "listen",
    "detect",
    "alert",
    "seal",
    "check",
    "keys",
    "users",
    "tokens",
    "proxy",
    "wrap",
    "incident",
    "contain",
    "silence",
    "exception",
    "routes",
    "drill",
    "refused",
    "report",
    "search",
    "coverage",
    "retention",
    "hold",
    "erase",
    "why-not",
    "formats",
    "inspect",
    "ownership",
    "reveal",
    "backtest",
    "import",
    "verify",
    "backup",
    "restore",
    "simulate",
    "evaluate",
    "topics",
    "deadletter",
    "bench",
)


class Group(TyperGroup):
    """Turns an error that an operator can act on into its text and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command: 0 fine, 1 found something wrong, 2 used wrongly."""
        try:
            return super().invoke(ctx)
        except TocsinError as error:
            typer.echo(f"tocsin: {error}", err=True)
            raise typer.Exit(USAGE if isinstance(error, ConfigError) else WRONG) from None


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Tocsin watches what AI systems do through MCP servers. Start with [bold]tocsin demo[/].",
    rich_markup_mode="rich",
)
for _name in COMMANDS:
    # Only light modules are imported here; what a command needs it imports when it is called.
    _module = import_module(f"tocsin.commands.{_name.replace('-', '_')}{'_' if _name == 'import' else ''}")
    _alone = len(_module.app.registered_commands) == 1 and _module.app.registered_callback is None
    app.add_typer(_module.app, name=None if _alone else _name)


def main() -> None:
    """Run one command and end the process."""
    app(prog_name="tocsin")


if __name__ == "__main__":
    main()
