"""Write the reference pages of `docs/` from what they describe: `make docs`."""

import re
import sys
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import msgspec
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.text import Text

from alerting.discovery import load_sink, sink_names
from alerting.runbook import Runbook, Runbooks
from collector.input_discovery import input_names, load_input
from detectors.base import Documentation, Parameter, Spec
from detectors.discovery import detector_names, load_detector
from detectors.engine.live import WARM_DAYS, WARM_HOURS
from detectors.engine.warmup import LEARNED_DAYS, PEERS
from scripts.markdown import REFERENCE, codes, doc, duration, meanings, number, table, type_text, value_text
from stream.finding import CLASSES
from tocsin import cli
from tocsin.config.base import Secret
from tocsin.config.options import is_secret
from tocsin.config.whole import Config
from tocsin.trials.format_matrix import COLUMNS, rows
from tocsin_audit.event import KINDS, OUTCOMES, STAMPED, AuditEvent, to_wire

DOCS: Final = Path(__file__).parents[1] / "docs"
WIDTH: Final = 100
"""Columns of the commands' help."""
UNBOUNDED: Final = Parameter("", 0, "", "").high
WARM_UP: Final = {
    "facts": "none",
    "volume": f"{WARM_HOURS} active hours on at least {WARM_DAYS} days, its own or those of {PEERS} such peers",
    "learned": f"{LEARNED_DAYS} days of its tenant's traffic",
}


def pages() -> dict[str, str]:
    """Every page by its path below `docs/`."""
    specs = [load_detector(name).spec for name in detector_names()]
    made = {f"detectors/{spec.name}.md": _page(f"detectors/{spec.name}*.py", _detector(spec)) for spec in specs}
    return made | {
        "detectors/README.md": _page("the detectors' specifications", _detectors(specs)),
        "configuration.md": _page("tocsin/config/whole.py and the options of inputs and sinks", _configuration()),
        "commands.md": _page("the commands' --help", _commands()),
        "runbooks.md": _page("alerting/runbooks", _runbooks()),
        "events.md": _page("audit/tocsin_audit/event.py", _events()),
        "formats.md": _page("collector/formats", _formats()),
    }


def write(folder: Path) -> None:
    """Write every page below a folder, and remove those that are no longer made."""
    made = pages()
    for old in folder.glob("detectors/*.md"):
        if old.relative_to(folder).as_posix() not in made:
            old.unlink()
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _page(source: str, blocks: Iterable[str]) -> str:
    first = f"<!-- Made by `make docs` from {source}: change it there. -->"
    return "\n\n".join([first, *(block for block in blocks if block)]) + "\n"


def _detectors(specs: Sequence[Spec]) -> Iterator[str]:
    yield "# Detectors"
    yield "Each folds events into findings; [architecture.md](../architecture.md) says how one is added."
    rows = [(f"[{spec.name}]({spec.name}.md)", _documentation(spec).goal, codes(spec.classes)) for spec in specs]
    yield table(("detector", "goal", "classes"), rows)


def _detector(spec: Spec) -> Iterator[str]:
    page = _documentation(spec)
    yield f"# {spec.name}"
    cells = ", ".join(duration(seconds) for seconds in spec.cells) or "none"
    yield f"Version {spec.version}. Keeps state by {codes(spec.by)}. Cells that are settled when they close: {cells}."
    for section in fields(Documentation):
        yield f"## {section.name.replace('_', ' ').capitalize()}"
        yield str(getattr(page, section.name))
    yield "## Classes"
    yield "A class that warms up is only recorded until there is evidence enough."
    yield table(
        ("class", "techniques", "warm-up", "runbook"),
        [
            (
                f"`{class_}`",
                codes(spec.techniques.get(class_, ())) or "-",
                WARM_UP[spec.warm_up.get(class_, "facts")],
                f"[{class_}](../runbooks.md#{class_})",
            )
            for class_ in spec.classes
        ],
    )
    yield "## Parameters"
    yield f"Set in [`tocsin.yaml`](../configuration.md#detectorsname) as `detectors.{spec.name}.<parameter>`."
    yield table(
        ("parameter", "default", "unit", "range", "meaning"),
        [(f"`{knob.name}`", number(knob.default), knob.unit, _bounds(knob), knob.meaning) for knob in spec.parameters],
    )


def _documentation(spec: Spec) -> Documentation:
    if spec.documentation is None:
        raise SystemExit(f"docs: the detector {spec.name} has no documentation")
    return spec.documentation


def _bounds(knob: Parameter) -> str:
    low = number(knob.low)
    return f"from {low}" if knob.high >= UNBOUNDED else f"{low} to {number(knob.high)}"


def _configuration() -> Iterator[str]:
    yield "# Configuration"
    yield (
        "`tocsin.yaml`, in the working directory or named by `--config`. Every key is optional unless it says "
        "otherwise, and relative paths start at the file's own folder. `tocsin check` names every fault at once. "
        "[deploy/tocsin.example.yaml](../deploy/tocsin.example.yaml) is a commented example."
    )
    sections = {name: model for name, info in Config.model_fields.items() if (model := _model(info.annotation))}
    own = [_key("", name, info) for name, info in Config.model_fields.items() if name not in sections]
    heading = ("key", "type", "default", "meaning")
    yield "## Top level"
    yield table(heading, own)
    for name, model in sections.items():
        named = typing.get_origin(Config.model_fields[name].annotation) is dict
        prefix = f"{name}.<name>" if named else name
        yield f"## `{prefix}`"
        yield doc(model)
        yield table(heading, _keys(model, f"{prefix}."))
        if name == "detectors":
            links = ", ".join(f"[{each}](detectors/{each}.md#parameters)" for each in detector_names())
            yield f"The parameters of {links}."
        if name == "inputs":
            for kind in input_names():
                options = load_input(kind).Options
                yield f"### `type: {kind}`"
                yield doc(options)
                yield table(heading, _options(options))
        if name == "sinks":
            for sink in sink_names():
                options = load_sink(sink).Options
                yield f"### `type: {sink}`"
                yield doc(options)
                yield table(heading, _options(options))
    yield "## References"
    yield doc(Secret)
    yield table(heading, _keys(Secret, ""))


def _keys(model: type[BaseModel], prefix: str) -> Iterator[Sequence[str]]:
    for name, info in model.model_fields.items():
        inner = _model(info.annotation)
        if inner is None or info.description:
            yield _key(prefix, info.alias or name, info)
        if inner is not None and inner is not model:
            several = "<name>." if typing.get_origin(info.annotation) is dict else ""
            yield from _keys(inner, f"{prefix}{name}.{several}")


def _key(prefix: str, name: str, info: FieldInfo) -> Sequence[str]:
    if not info.description:
        raise SystemExit(f"docs: the configuration's {prefix}{name} has no description")
    kind = " ".join(filter(None, [type_text(info.annotation), _range(info.metadata)]))
    default = "required" if info.is_required() else value_text(info.default)
    return f"`{prefix}{name}`", kind, default, f"{info.description[0].upper()}{info.description[1:]}."


def _range(metadata: Iterable[Any]) -> str:
    said = {name: getattr(limit, name) for limit in metadata for name in ("ge", "gt", "le") if hasattr(limit, name)}
    if said.keys() == {"ge", "le"}:
        return f"({number(said['ge'])} to {number(said['le'])})"
    words = {"ge": "from", "gt": "above", "le": "up to"}
    text = ", ".join(f"{word} {number(said[name])}" for name, word in words.items() if name in said)
    return text and f"({text})"


def _model(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *typing.get_args(annotation)]
    found = [kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return found[0] if found and found[0] is not Secret else None


def _options(options: type[Any]) -> Iterator[Sequence[str]]:
    said = meanings(options)
    for field in msgspec.structs.fields(options):
        made = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        default = "required" if field.required else value_text(made)
        kind = type_text(field.type)
        if is_secret(field):
            kind = f"{kind}, each a {REFERENCE}" if kind.startswith("mapping") else REFERENCE
        yield f"`{field.encode_name}`", kind, default, " ".join(said[field.name].split())


def _commands() -> Iterator[str]:
    yield "# Commands"
    yield (
        "Exit codes: 0 fine, 1 found something wrong, 2 used wrongly. With `--json` standard output is for machines. "
        "`incident` and `search` speak to a running Tocsin, `why-not` where one runs; all others work on files."
    )
    root = typer.main.get_command(cli.app)
    yield from _command(root, "tocsin", None)


def _command(command: Any, name: str, above: Any) -> Iterator[str]:
    command.rich_markup_mode = None  # the frames that a terminal gets would hide the text
    command.help = Text.from_markup(command.help or "").plain
    context = command.context_class(command, above, name, terminal_width=WIDTH, **command.context_settings)
    text = "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
    yield f"## {context.command_path}"
    yield f"```text\n{text}\n```"
    for inner_name, inner in getattr(command, "commands", {}).items():
        yield from _command(inner, inner_name, context)


def _runbooks() -> Iterator[str]:
    yield "# Runbooks"
    yield (
        "What to do in the first fifteen minutes, by class of finding. `tocsin incident show ID` has the same steps "
        "with the incident's own facts in place of ‹these›; `tocsin incident runbook ID` has those of the hours and "
        "weeks after, too, and what is done."
    )
    books = Runbooks()
    yield table(("class", "what happened"), [(f"[{class_}](#{class_})", books[class_].title) for class_ in CLASSES])
    for class_ in CLASSES:
        yield from _runbook(class_, books[class_])


def _runbook(class_: str, book: Runbook) -> Iterator[str]:
    yield f"## {class_}"
    yield f"**{book.title}.** {_blanks(book.confirm)}"
    steps = []
    for place, step in enumerate(book.first_15_minutes, 1):
        steps.append(f"{place}. **{step.purpose}** ({step.who}, {step.minutes} min). {_blanks(step.text)}")
        if step.query is not None:
            steps.append(f"   `{_blanks(step.query)}`")
    yield "\n\n".join(steps)


def _blanks(template: str) -> str:
    return " ".join(re.sub(r"\{\{ (?:listed\.)?(\w+) \}\}", r"‹\1›", template).split())


def _events() -> Iterator[str]:
    yield "# Audit events: `mcp.audit.v1`"
    yield (
        "One flat JSON object a line. `time`, `server`, and `method` or `kind` must be there, all else is optional. "
        "Unknown keys are kept. Strings are bounded and cleaned of control characters. The smallest useful event:"
    )
    example = AuditEvent(
        time=1_800_000_000.0, server="billing", method="tools/call", target="list_invoices", outcome="ok", tenant="acme"
    )
    yield f"```json\n{to_wire(example).decode()}\n```"
    said = meanings(AuditEvent)
    rows = [
        (f"`{field.name}`", type_text(field.type), said[field.name]) for field in msgspec.structs.fields(AuditEvent)
    ]
    names = {f"`{name}`" for name in STAMPED}
    yield table(("field", "type", "meaning"), [row for row in rows if row[0] not in names])
    yield "## What Tocsin adds\n\nSet at receipt; the same keys in a producer's line mean nothing."
    yield table(("field", "type", "meaning"), [row for row in rows if row[0] in names])
    yield f"## Kinds\n\n{codes(sorted(KINDS))}."
    yield f"## Outcomes\n\n{codes(sorted(OUTCOMES))}."


def _formats() -> Iterator[str]:
    yield "# Formats"
    yield (
        "What can be read, and what each source can tell. The default, `auto`, finds the format of every record. "
        "`tocsin formats try FILE` shows what becomes of a sample; a format that is not here is "
        "[described in a YAML file](own-format.md)."
    )
    found = rows()
    said = [(f"[{row.name}](#{row.name})", *("yes" if row.told[name] else "-" for name in COLUMNS)) for row in found]
    yield table(("format", *COLUMNS), said)
    meant = ", ".join(f"**{name}** {codes(fields)}" for name, fields in COLUMNS.items())
    yield f"A column says that a source can fill one of these fields of an [event](events.md): {meant}."
    for row in found:
        yield f"## {row.name}"
        sampled = " It may send a sample, whose events feed no counts." if row.sampled else ""
        yield f"{row.title}. Written after {row.versions}.{sampled}"
        if row.blind:
            yield f"Cannot show: {row.blind.rstrip('.')}."


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
