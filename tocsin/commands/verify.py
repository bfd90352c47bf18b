"""`tocsin verify`: prove that the log is what was written, and make proofs for others."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from tocsin.commands.options import ConfigOption, DataOption, JsonOption

if TYPE_CHECKING:
    from stream.ledger.note import Verifier
    from stream.ledger.removals import Removals
    from stream.ledger.store import Store
    from tocsin.config.whole import Loaded
    from tocsin.proof.proving import Chosen

app = typer.Typer()


@app.command(
    epilog="Example: tocsin verify tocsin-data --public-key ledger.pub --checkpoint anchored.ndjson   "
    "or: tocsin verify --incident ID --export evidence.ndjson"
)
def verify(
    path: Annotated[
        Path | None, typer.Argument(help="A data directory, a copy of one, an exported proof, or evidence.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", "-k", help="The ledger's public key, from somewhere safe.")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option("--checkpoint", help="A checkpoint that was kept elsewhere; may be said again.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write a proof of what is chosen below, for somebody else.")
    ] = None,
    incident: Annotated[str | None, typer.Option(help="All that an incident stands on.")] = None,
    event: Annotated[list[str] | None, typer.Option(help="An event, by its id; may be said again.")] = None,
    since: Annotated[str | None, typer.Option(help="Whole frames received from this moment on.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this moment (default: now).")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every frame, event, decision and seal, offline and also while Tocsin runs, and name the first bad place.

    It needs the public key alone. Without --public-key the one beside the log is believed, which shows accidents but
    nobody who could write there; without --checkpoint a tail that was cut off with its seals cannot be seen. Exit code
    1 where something is not what was written.
    """
    from alerting.response.archive import is_evidence
    from stream.ledger.signing import public_keys
    from tocsin.config.whole import load_config
    from tocsin.incidents.evidence import show_evidence
    from tocsin.proof.proving import checkpoints
    from tocsin.roles.log import on_kafka

    loaded = load_config(config)
    place = path or data or loaded.path(loaded.config.data)
    keys = public_keys(public_key) if public_key is not None else None
    anchored = [note for file in checkpoint or () for note in checkpoints(file)]
    chosen = any((incident, event, since))
    kafka = path is None and on_kafka(loaded)
    if is_evidence(place):
        show_evidence(place, as_json=as_json)
    elif place.is_file():
        _read(place, keys, anchored, as_json=as_json)
    elif chosen or export is not None:
        if not chosen or export is None:
            raise typer.BadParameter("a proof needs --export FILE, and --incident, --event or --since to say of what")
        what = (incident, event or [], since, until)
        _export(loaded, place, keys, anchored, export, what, kafka=kafka, as_json=as_json)
    else:
        _store(place, keys, anchored, kafka=loaded if kafka else None, given=keys is not None, as_json=as_json)


def _store(
    place: Path,
    keys: "list[Verifier] | None",
    anchored: list[str],
    *,
    kafka: "Loaded | None",
    given: bool,
    as_json: bool,
) -> None:
    from stream.ledger.chain import verify_chain
    from stream.ledger.file import FILE

    errors = Console(stderr=True)
    with errors.status("verifying") as status:

        def progress(file: Path, count: int) -> None:
            status.update(f"{file.name}: {count:,}")

        if (place / FILE).exists() or anchored or given or kafka is not None:
            store = _verified(place, keys, anchored, progress, kafka)
            chains, faults = list(store.chains), store.faults
        else:
            store = None
            chains = verify_chain(place, progress=progress)
            faults = [chain.fault for chain in chains if chain.fault is not None]
    if as_json:
        told: dict[str, Any] = {"ok": not faults, "chains": [_plain(chain) for chain in chains]}
        told["ledger"] = _ledger(store, given=given) if store is not None else None
        told["faults"] = [_plain(fault) for fault in faults]
        typer.echo(json.dumps(told))
    else:
        _tell(store, chains, anchored, given=given)
        for fault in faults:
            line = "" if fault.line is None else f", line {fault.line}"
            Console().print(Text(f"{fault.file} at offset {fault.offset}{line}: {fault.what}", "bold red"))
    if faults:
        raise typer.Exit(1)


def _verified(
    place: Path, keys: "list[Verifier] | None", anchored: list[str], progress: Any, kafka: "Loaded | None" = None
) -> "Store":
    from stream.ledger.file import FILE
    from stream.ledger.signing import PUBLIC_FILE, public_keys
    from stream.ledger.store import verify_log, verify_store
    from stream.log import EVENTS, FINDINGS, Stream
    from tocsin.proof.proving import alerts, database, tables
    from tocsin.roles.log import address_of

    trusted = keys if keys is not None else public_keys(place / PUBLIC_FILE)
    if kafka is None:
        with alerts(place) as connection:
            return verify_store(place, trusted, anchored, rows=tables(place, connection), progress=progress)
    from stream.kafka import KafkaLog

    with KafkaLog(address_of(kafka)) as log, database(kafka, place) as connection:
        streams = [*(Stream(EVENTS.name, number) for number in range(log.partitions)), FINDINGS]
        rows = tables(place, connection)
        return verify_log(log, streams, place / FILE, trusted, anchored, rows=rows, progress=progress)


def removals_of(removed: "Removals") -> list[str]:
    """What sealed notes say was removed, a line for each job and stream: why, on which day, and where."""
    jobs: dict[tuple[str, str, str, str], list[tuple[int, int]]] = {}
    for note in removed.notes.values():
        key = (note.stream, note.job, note.why, note.time[:10])
        jobs.setdefault(key, []).append((note.begin, note.end))
    return [
        f"{stream} {min(begin for begin, _ in spans)} to {max(end for _, end in spans) - 1}: removed by {why}"
        + (f" on {day}" if day else "")
        for (stream, _, why, day), spans in jobs.items()
    ]


def _tell(store: "Store | None", chains: list[Any], anchored: list[str], *, given: bool) -> None:
    console = Console()
    for chain in chains:
        told = f"{chain.stream}: {chain.frames:,} frames in {chain.files} files are what was written"
        if chain.removed:
            told += f" ({chain.removed:,} of them without payload or some lines, with the reason)"
        console.print(Text(told, "green" if chain.fault is None else "yellow"))
    if store is None or store.proved is None:
        console.print(
            Text("there is no ledger here yet: whoever can write here could have rewritten all of it", "yellow")
        )
        return
    proved = store.proved
    good = proved.fault is None
    told = f"ledger {proved.origin}: {proved.seals:,} seals under {proved.checkpoints:,} signed checkpoints"
    console.print(Text(told, "green" if good else "yellow"))
    for account in store.accounts:
        told = f"  {account.stream}: {account.sealed:,} sealed"
        told += f", {account.unsealed:,} not sealed yet" if account.unsealed else ""
        told += f", {account.gone:,} removed as sealed notes say" if account.gone else ""
        told += f", {account.removed:,} without what sealed notes say was removed" if account.removed else ""
        console.print(Text(told, "green" if account.fault is None else "yellow"))
    for line in removals_of(proved.removed):
        console.print(Text(f"  {line}", "dim"))
    if store.unseen:
        console.print(Text(f"not looked at, since it is not here: {', '.join(store.unseen)}", "yellow"))
    if not given:
        console.print(
            Text("the public key beside the log was believed; --public-key gives one from elsewhere", "yellow")
        )
    if anchored:
        console.print(Text(f"{len(anchored)} checkpoints from outside were held against it", "dim"))
    else:
        console.print(
            Text("no checkpoint from outside was given, so an end cut off with its seals cannot be seen", "yellow")
        )


def _export(
    loaded: "Loaded",
    place: Path,
    keys: "list[Verifier] | None",
    anchored: list[str],
    export: Path,
    what: tuple[str | None, list[str], str | None, str | None],
    *,
    kafka: bool,
    as_json: bool,
) -> None:
    from stream.errors import RejectedError
    from stream.ledger.file import FILE
    from stream.ledger.proof import write_proof
    from stream.ledger.reading import LedgerFile
    from tocsin.proof import proving

    with Console(stderr=True).status("verifying") as status:

        def progress(file: Path, count: int) -> None:
            status.update(f"{file.name}: {count:,}")

        # Chosen first: what is written meanwhile need not be sealed yet.
        chosen = _chosen(loaded, place, what, kafka=kafka)
        store = _verified(place, keys, anchored, progress, loaded if kafka else None)
        if store.faults or store.proved is None:
            raise RejectedError("the store is not what was written", where=str(place), hint="tocsin verify says where")
        if chosen.missing:
            raise RejectedError(f"not in the log: {', '.join(chosen.missing[:5])}", where=str(place))
        if not chosen.wanted:
            raise RejectedError("there is nothing of this in the log", where=str(place))
        ledger = LedgerFile(place / FILE)
        try:
            # Sealing goes on meanwhile: a later checkpoint is over seals that were not looked at.
            notes = [note for size, note in ledger.checkpoints() if size <= store.proved.seals]
            if not notes:
                raise RejectedError("nothing is signed yet", where=str(place), hint="try again in a minute")
            earlier = proving.parsed(anchored, store.proved.keys)
            lines = list(write_proof(ledger, store.proved, notes[-1], chosen.wanted, earlier))
        finally:
            ledger.close()
        export.write_bytes(b"\n".join(lines) + b"\n")
    frames = len(chosen.wanted)
    if as_json:
        typer.echo(json.dumps({"ok": True, "file": str(export), "frames": frames, "bytes": export.stat().st_size}))
    else:
        Console().print(
            Text(f"{export} proves lines of {frames:,} frames and rows; check it with: tocsin verify {export}")
        )


def _chosen(
    loaded: "Loaded", place: Path, what: tuple[str | None, list[str], str | None, str | None], *, kafka: bool
) -> "Chosen":
    """What is asked for, read from the log and the alerts' database."""
    import time
    from contextlib import ExitStack

    from stream.kafka import KafkaLog
    from tocsin.moments import moment
    from tocsin.proof import proving
    from tocsin.proof.frames import Files, Frames, Topics
    from tocsin.roles.log import address_of, crypt_for, entity_key
    from tocsin.secrecy.encryption import columns_of, crypt_of
    from tocsin.setup import assemble

    incident, ids, since, until = what
    now = time.time()
    with ExitStack() as opened:
        frames: Frames
        if kafka:
            crypt = crypt_for(loaded)
            log = opened.enter_context(KafkaLog(address_of(loaded), crypt=crypt))
            frames, columns = Topics(log), columns_of(crypt, entity_key(log) if crypt is not None else None)
        else:
            crypt = crypt_of(assemble(loaded, place, sinks=False).masters, place, now)
            frames, columns = Files(place, crypt), columns_of(crypt)
        if incident is not None:
            named = proving.database(loaded, place, columns) if kafka else proving.alerts(place, columns)
            return proving.incident(frames, opened.enter_context(named), incident)
        if ids:
            return proving.events(frames, ids)
        return proving.span(frames, moment(since or "", now), moment(until, now) if until else now)


def _read(place: Path, keys: "list[Verifier] | None", anchored: list[str], *, as_json: bool) -> None:
    from stream.errors import RejectedError
    from stream.ledger.proof import read_proof
    from tocsin.proof.proving import parsed

    if keys is None:
        raise typer.BadParameter("a proof is checked with the ledger's public key", param_hint="--public-key")
    try:
        with place.open("rb") as file:
            read = read_proof((line.rstrip(b"\n") for line in file), keys)
        for old in parsed(anchored, keys):
            same = (old.size, old.root) == read.checkpoint[1:]
            if old.origin != read.checkpoint.origin or not (same or (old.size, old.root) in read.earlier):
                raise RejectedError(
                    f"does not show that the checkpoint of {old.size} seals is in its ledger",
                    hint="ask for the proof anew, made with --checkpoint and this checkpoint",
                )
    except RejectedError as error:
        if as_json:
            typer.echo(json.dumps({"ok": False, "where": f"{place}, {error.where}", "what": error.what}))
        else:
            Console().print(Text(f"{place}, {error.where}: {error.what}", "bold red"))
        raise typer.Exit(1) from None
    shown = [{**one._asdict(), "text": one.text.decode("utf-8", "replace")} for one in read.shown]
    size = read.checkpoint.size
    if as_json:
        told = {"ok": True, "origin": read.checkpoint.origin, "size": size, "shown": shown}
        typer.echo(json.dumps(told))
        return
    from alerting.harmless import harmless

    console = Console()
    for one in shown:
        where = f"{one['stream']} {one['offset']} line {one['line']}, sealed {one['sealed']}: "
        console.print(Text(where + harmless(str(one["text"]), 300)))
    told_ = f"{len(shown):,} lines are in the ledger {read.checkpoint.origin} of {size:,} seals, as it was signed"
    console.print(Text(told_, "green"))


def _ledger(store: "Store", *, given: bool) -> dict[str, Any]:
    proved = store.proved
    assert proved is not None
    return {
        "origin": proved.origin,
        "seals": proved.seals,
        "checkpoints": proved.checkpoints,
        "unsigned": proved.unsigned,
        "keys": [str(key) for key in proved.keys],
        "key_given": given,
        "streams": [_plain(account) for account in store.accounts],
        "removals": removals_of(proved.removed),
        "not_looked_at": list(store.unseen),
    }


def _plain(value: Any) -> dict[str, Any]:
    record: dict[str, Any] = value._asdict()
    for name, found in record.items():
        if isinstance(found, bytes):
            record[name] = found.hex()
        elif isinstance(found, Path):
            record[name] = str(found)
        elif hasattr(found, "_asdict"):
            record[name] = _plain(found)
    return record
