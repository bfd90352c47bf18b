"""What is fuzzed: every parser that strangers reach, and which errors are its answers."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from starlette.requests import Request

from alerting import pagerduty_webhook
from collector.admit import Admitted, admit
from collector.discovery import format_names, load_format
from collector.door import Refused
from collector.encoding import expand
from collector.enrich import Enricher, Options
from collector.format import read
from collector.formats import otel
from collector.formats.native import parse_lines
from collector.identity.keys import Issuer, KeySet
from collector.identity.token import Verifier
from collector.inputs import webhook
from collector.inspection.content import Content
from collector.inspection.inspector import Inspector
from collector.keys import Key
from collector.limits import Limits
from collector.lines import split as split_lines
from collector.mapping.mapped import MappingError, compile_mapping
from collector.parts.cef import read_cef
from collector.privacy.policy import mask
from collector.proxy.connection import Connection
from collector.push import cloudevents, hec
from collector.syslogging.framing import Framer
from collector.syslogging.message import parse as parse_syslog
from collector.tailing.unwrap import unwrap
from stream import control, finding
from stream.broker.record import believed, check
from stream.broker.record import decode as decode_record
from stream.broker.record import encode as encode_record
from stream.encryption.carried import CarriedKeys
from stream.encryption.crypt import Crypt
from stream.encryption.keys import Master
from stream.errors import UNREADABLE, RejectedError, TocsinError
from stream.frame import Frame, Header, pack
from tocsin_audit import asking, identity
from tocsin_audit.assemble import Assembler
from tocsin_audit.event import AuditEvent, to_wire
from tocsin_audit.exchange import Exchange
from tocsin_audit.fingerprint import Fingerprints
from tocsin_audit.lines import Conversation, End, Line, LineTap
from tocsin_audit.ownership import header_text
from tocsin_audit.ownership import pattern as ownership_pattern
from tocsin_audit.settings import Document, Settings
from tocsin_audit.wire import LiveTap, SseTap, messages

Target = Callable[[bytes], object]

NOW: Final = 1_795_154_400.0
LONGEST: Final = 64 * 1024
KEY: Final = Key(id="k", hash="", created=0.0)
CRYPT: Final = Crypt(CarriedKeys(Master("00" * 32)), NOW)
RECORD: Final = encode_record(CRYPT.sealed(pack(Header(received=NOW, count=1), b'{"server":"s","method":"m"}')))
"""A good record of Kafka, encrypted."""
HEADER: Final = msgspec.json.Decoder(Header)
ASSEMBLER: Final = Assembler("crm", Fingerprints(b"key", "k"), ())
SETTINGS: Final = Settings(Document(), server="crm")


def targets() -> dict[str, Target]:
    """Every target by its name; each takes bytes and lets pass no error but those that are its answers."""
    found: dict[str, Target] = {f"format-{name}": _format(name) for name in (*format_names(), "auto")}
    return {
        **found,
        "mapping": _mapping,
        "otlp-traces": lambda data: _otlp(otel.traces, data),
        "otlp-logs": lambda data: _otlp(otel.logs, data),
        "hec": _hec,
        "cloudevents": _cloudevents,
        "lines": lambda data: _answered(split_lines, data, "application/json", 1000),
        "native-lines": lambda data: parse_lines(data, data.split(b"\n")),
        "admit": _admit(),
        "gzip": lambda data: _answered(expand, data, "gzip", 1 << 20),
        "zstd": lambda data: _answered(expand, data, "zstd", 1 << 20),
        "syslog": lambda data: parse_syslog(data, NOW),
        "syslog-framing": _framing,
        "cef": lambda data: _answered(read_cef, data),
        "container-lines": lambda data: (unwrap(data, "cri"), unwrap(data, "docker")),
        "webhook": _webhook,
        "pagerduty-hook": _pagerduty,
        "exchange": _exchange,
        "frame": _frame,
        "kafka-record": _kafka_record,
        "finding": lambda data: _lasting(finding.DECODER, data),
        "control": lambda data: _lasting(control.DECODER, data),
        "token": _token(),
        "key-set": lambda data: _key_set(data).find(None),
        "inspection": _inspection(),
        "mask": lambda data: mask(data.decode("utf-8", "surrogateescape")),
        "ownership-match": _ownership,
        "upstream": _upstream,
        "server-stream": _server_stream,
        "stdio-lines": _stdio(),
    }


def _format(name: str) -> Target:
    form = load_format(name)

    def parse(data: bytes) -> object:
        form.fits(data)
        return read(form, data)

    return parse


def _answered(parse: Callable[..., object], *given: Any) -> object:
    try:
        return parse(*given)
    except RejectedError:
        return None


def _decoded(decoder: Any, data: bytes) -> Any:
    try:
        return decoder.decode(data)
    except UNREADABLE:
        return None


def _lasting(decoder: Any, data: bytes) -> object:
    """What is read once must be read as the same by the next, who has it as this one wrote it."""
    found = _decoded(decoder, data)
    if found is None:
        return None
    again = decoder.decode(written := msgspec.json.encode(found))
    assert msgspec.json.encode(again) == written
    return found


def _otlp(parse: Callable[[bytes, str], object], data: bytes) -> None:
    for kind in ("application/json", "application/x-protobuf"):
        _answered(parse, data, kind)


def _mapping(data: bytes) -> object:
    tree = _decoded(msgspec.json.Decoder(), data)
    try:
        form = compile_mapping("fuzzed", tree)
    except MappingError:
        return None
    return read(form, b'{"a": {"b": [1, "x"]}, "time": 1795154400}')


def _cloudevents(data: bytes) -> object:
    made = cloudevents.CloudEvents.__new__(cloudevents.CloudEvents)
    made._pushed = SimpleNamespace(door=SimpleNamespace(limits=Limits()))  # type: ignore[assignment]  # its limits alone
    found: list[cloudevents._Event] = []
    for kind in (b"application/cloudevents+json", b"application/cloudevents-batch+json", b"application/json"):
        headers = [(b"content-type", kind), (b"ce-specversion", b"1.0"), (b"ce-id", b"1"), (b"ce-type", b"t")]
        request = Request({"type": "http", "headers": [*headers, (b"ce-source", b"/s")], "method": "POST"})
        try:
            found += made._split(request, data)
        except (Refused, RejectedError):
            continue
    return [(_answered(cloudevents._data, event, True), cloudevents._moment(event)) for event in found]


def _admit() -> Target:
    enrich = Enricher(Options(inspector=Inspector()))

    def judge(data: bytes) -> object:
        lines = data.split(b"\n")
        into = Admitted()
        admit(into, lines, range(1, len(lines) + 1), KEY, LONGEST, enrich=enrich)
        # What is stored is read again by every replay.
        stored = parse_lines(b"\n".join(into.lines), into.lines) if into.lines else []
        assert stored is None or stored == into.events
        return into

    return judge


def _hec(data: bytes) -> object:
    envelopes, wrong = hec.split(data, 1000)
    return [hec.payload(envelope, native=True) for envelope in envelopes], wrong


def _framing(data: bytes) -> object:
    framer = Framer(1024)
    half = len(data) // 2
    found = framer.feed(data[:half]) + framer.feed(data[half:]) + framer.end()
    assert framer.held <= 4096
    return found


def _headed(data: bytes) -> tuple[Header, bytes] | None:
    """A frame's header from the first line, as JSON, and its payload from the others."""
    head, _, payload = data.partition(b"\n")
    try:
        header = HEADER.decode(head)
        encode_record(Frame(header, b""))  # a number may be too large for the one form and not for the other
    except (*UNREADABLE, OverflowError):
        return None
    return header, payload


def _frame(data: bytes) -> object:
    """A frame as a damaged file may hold it: compressed, damaged, and plain."""
    if (found := _headed(data)) is None:
        return None
    header, payload = found
    for each in (Frame(header, payload), pack(header, payload)):
        try:
            check(each)
        except TocsinError:
            continue
    return None


def _kafka_record(data: bytes) -> object:
    """A record that somebody else wrote into the topic, read with keys and without."""
    headed = (encode_record(pack(*found)),) if (found := _headed(data)) is not None else ()
    for value in (data, RECORD[: len(data) % len(RECORD)] + data, RECORD + data, *headed):
        for keys in (None, CRYPT):
            try:
                check(believed(decode_record(value, keys), NOW, 60.0))
            except TocsinError:
                continue
    return None


def _webhook(data: bytes) -> object:
    return webhook.signed(data, data[:64].decode("utf-8", "replace"), "s"), webhook._opened(data, "time")


def _pagerduty(data: bytes) -> object:
    header, _, body = data.partition(b"\n")
    return pagerduty_webhook.signed("s", header.decode("utf-8", "replace"), body), _answered(
        pagerduty_webhook.taken, body
    )


def _exchange(data: bytes) -> object:
    """A call as the middleware and the proxy see it pass: what was asked, and what was answered."""
    asked, _, answered = data.partition(b"\n\n")
    headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer " + asked[:64])]
    exchange = Exchange({"type": "http", "method": "POST", "headers": headers, "client": ("192.0.2.1", 1)})
    exchange.request.feed(asked)
    exchange.response = SseTap()
    exchange.response.feed(answered)
    exchange.status = 200
    told = ASSEMBLER.events(exchange.settle(NOW), SETTINGS)
    assert all(event.server == "crm" for event in told)
    return told


def _key_set(data: bytes) -> KeySet:
    made = KeySet(Issuer("https://idp", "x"), fetch=lambda _: data)
    made._take(data)
    return made


def _token() -> Target:
    """A token as it comes, and one whose header and claims are the two lines, well signed by a known issuer."""
    private = ec.derive_private_key(7, ec.SECP256R1())
    public = {**ECAlgorithm.to_jwk(private.public_key(), as_dict=True), "kid": "a"}
    verifier = Verifier([_key_set(msgspec.json.encode({"keys": [public]}))])

    def judge(data: bytes) -> object:
        text = data.decode("utf-8", "replace")
        header_text(text)
        head, _, claims = data.partition(b"\n")
        said: dict[str, Any] = _decoded(msgspec.json.Decoder(dict[str, Any]), head) or {}
        try:
            signed = jwt.PyJWS().encode(claims, private, "ES256", said | {"alg": "ES256"})
        except (jwt.PyJWTError, TypeError, ValueError):
            signed = ""
        proved = [found for one in (text, signed) if (found := verifier.claims(one, "s", NOW)) is not None]
        told = [identity.stated(one, ("tenant", "a.b"), NOW) for one in proved]
        return told, [identity.claimed(one, ("tenant",), NOW) for one in (text, signed)]

    return judge


def _inspection() -> Target:
    inspector = Inspector()

    def look(data: bytes) -> object:
        tree = _decoded(msgspec.json.Decoder(), data)
        text = data.decode("utf-8", "surrogateescape")
        return inspector.inspect(Content({"path": text, "url": text}, tree, text)), inspector.target(text)

    return look


def _ownership(data: bytes) -> object:
    text, _, subject = data.decode("utf-8", "replace").partition("\n")
    try:
        return ownership_pattern(text).search(subject[:256])
    except (ValueError, OverflowError, RecursionError, re.error):
        return None


def _upstream(data: bytes) -> object:
    wire: Any = SimpleNamespace(write=len, pause_reading=lambda: None, resume_reading=lambda: None, abort=lambda: None)
    connection = Connection(lambda _: None)
    connection.connection_made(wire)
    connection.ask("POST", b"")
    half = len(data) // 2
    connection.data_received(data[:half])
    connection.data_received(data[half:])
    connection.connection_lost(None)
    return connection.reusable


def _server_stream(data: bytes) -> object:
    tap = LiveTap()
    half = len(data) // 2
    tap.feed(data[:half])
    tap.feed(data[half:])
    found: list[AuditEvent] = []
    for text in tap.take() + tap.own():
        for message in messages(text) or ():
            asking.changed(message)
            asked = asking.questions(message, len(text))
            found += [asking.describe(AuditEvent(time=NOW, server="s"), one) for one in asked]
    return found


def _stdio() -> Target:
    settings = Settings(Document(), server="s")

    def talk(data: bytes) -> object:
        assembler, conversation = Assembler("s", Fingerprints(b"key of the fleet", "k"), ()), Conversation()
        events = []
        for number, (text, size, cut) in enumerate(LineTap(4096).feed(data + b"\n")):
            line = Line(conversation, text, size, cut=cut, from_server=number % 2 == 1)
            events += line.tell(assembler, settings)
        return [to_wire(event) for event in events + End(conversation, "over").tell(assembler, settings)]

    return talk
