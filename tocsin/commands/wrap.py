"""`tocsin wrap`: around an MCP server over stdio."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command(
    epilog="Example: tocsin wrap --server files -- npx -y @modelcontextprotocol/server-filesystem /srv",
    context_settings={"ignore_unknown_options": False},
)
def wrap(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- CMD …", help="The server's own command.", show_default=False)
    ] = None,
    server: Annotated[str | None, typer.Option(help="The MCP server's name in events.")] = None,
    user: Annotated[str | None, typer.Option(help="Who works with it (this account on this host).")] = None,
    tenant: Annotated[str | None, typer.Option(help="The tenant of that person.")] = None,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append the events to this file instead of sending them.")
    ] = None,
    env_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOCSIN_URL, TOCSIN_KEY and the like, one NAME=VALUE a line.")
    ] = None,
    started_by: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The client's configuration; its changes are events too.")
    ] = None,
    install: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Wrap the servers in a client's configuration.")
    ] = None,
    uninstall: Annotated[Path | None, typer.Option(metavar="FILE", help="Undo --install.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what --install or --uninstall would do.")] = False,
) -> None:
    """Run a server in this process's place, byte for byte, and audit it.

    Exit code and signals are the server's. Events go to TOCSIN_URL with the key in TOCSIN_KEY, from the environment or
    from --env-file (default: ~/.config/tocsin/wrap.env). Without them the server runs all the same, unaudited.

    --install edits a client's configuration (Claude Desktop, Cursor, VS Code) so that its stdio servers start through
    the wrapper, with a backup beside it; --uninstall undoes it.
    """
    from stream.errors import ConfigError

    if sum(given is not None for given in (command, install, uninstall)) != 1:
        raise ConfigError(
            "say either a command, --install FILE or --uninstall FILE", hint="tocsin wrap --server files -- npx …"
        )
    if command is not None:
        from tocsin.receiving.wrapping import run

        raise typer.Exit(run(command, server, user, tenant, events, env_file, started_by))
    from tocsin.receiving.wrapping import edit

    file = install or uninstall
    assert file is not None
    edit(file, server=server, undo=uninstall is not None, dry_run=dry_run, events=events, env_file=env_file)
