"""`tocsin proxy`: in front of an MCP server that nobody can change."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command(epilog="Example: tocsin proxy --upstream http://127.0.0.1:9000 --server billing")
def proxy(
    upstream: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="The MCP server's address, or PREFIX=URL; may be said again."),
    ] = None,
    listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where to listen (127.0.0.1:8643).")] = None,
    server: Annotated[str | None, typer.Option(help="The MCP server's name in events.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="File with several upstreams, TLS and the like.")
    ] = None,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append the events to this file instead of sending them.")
    ] = None,
) -> None:
    """Pass MCP over HTTP on as it comes, and audit it.

    Events go to TOCSIN_URL with the collector key in TOCSIN_KEY. While Tocsin is away they are kept on disk, and the
    MCP traffic goes on. Callers on Tocsin's deny list are refused. Ends at SIGTERM or Ctrl-C.
    """
    import os

    from stream.errors import ConfigError
    from tocsin.receiving.proxy_file import from_file, from_words
    from tocsin.receiving.proxying import serve
    from tocsin.upkeep.logs import set_up

    if (config is None) == (not upstream):
        raise ConfigError("say either --upstream or --config", hint="tocsin proxy --upstream http://127.0.0.1:9000")
    if config is not None and server is not None:
        raise ConfigError("--server goes with --upstream", hint=f"name the server in {config}")
    settings = from_file(config, listen) if config is not None else from_words(upstream or [], listen, server)
    if events is None and not (os.environ.get("TOCSIN_URL") and os.environ.get("TOCSIN_KEY")):
        raise ConfigError(
            "there is nowhere to send events to",
            hint="set TOCSIN_URL and TOCSIN_KEY (tocsin keys create NAME), or say --events FILE",
        )
    set_up("info", "text")
    raise typer.Exit(serve(settings, events))
