"""`tocsin erase`: take a person's data out."""

from typing import Annotated

import typer

from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer()


@app.command(
    epilog="Example: tocsin erase --principal 'https://idp.acme.example|alice' --tenant acme --reason DSR-17 --dry-run"
)
def erase(
    principal: Annotated[str, typer.Option(help="The user (issuer and subject joined by a bar), client or agent.")],
    reason: Annotated[str, typer.Option(help="The request, and who decided it; the ledger keeps it, so name nobody.")],
    tenant: Annotated[str | None, typer.Option(help="Their tenant; left out where their events name none.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go and what would stay.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Take a person's data out of the log, the incidents, the evidence, the index and what detectors learned.

    Everything else stays proved: `tocsin verify` names the places. What a legal hold keeps stays and is listed, and so
    are open incidents. Exit code 1 where something had to stay.
    """
    from tocsin.client import connect
    from tocsin.removal.view import steps_of, tell

    body = {"principal": principal, "tenant": tenant, "reason": reason, "dry_run": dry_run}
    steps = steps_of(connect(config, data).lines("/erasures", body), "erasing")
    tell(steps, dry=dry_run, as_json=as_json, nothing="there is nothing of this person")
    if any(step.get("held") or (not step["removed"] and step["kind"] != "receipt") for step in steps):
        raise typer.Exit(1)
