"""`tocsin verify`: being built."""

import typer

app = typer.Typer()


@app.command()
def verify() -> None:
    """Being built."""
