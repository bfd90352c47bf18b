"""Where fuzzing begins: one good input of each kind that a target tells apart.

`python -m tests.fuzz.seeds TARGET FOLDER` writes a target's into a folder.
"""

import gzip
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard
from msgspec import inspect

from collector.discovery import format_names
from stream import control
from stream.finding import Finding
from tests.collector.formats.cases import cases, names, protobuf
from tocsin_audit.event import AuditEvent

TIME: Final = b"1795154400"
EVENT: Final = b'{"time":1795154400,"server":"s","method":"tools/call","target":"t","user":"idp|a","tenant":"acme"}'
CALL: Final = (
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"rows","arguments":{"path":"a","n":1},'
    b'"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","traceparent":"00-1-2-01"}}}'
)
ANSWER: Final = (
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"[1]"}],"structuredContent":'
    b'{"result":[{"tenant_id":"acme"}]},"isError":false}}'
)
OWN: Final[Mapping[str, tuple[bytes, ...]]] = {
    "mapping": (b'{"record":"json","fields":{"time":"time","server":{"const":"s"},"method":"a.b"},"events":[]}',),
    "hec": (b'{"time":1795154400,"event":' + EVENT + b'}{"event":"x","source":"y","host":"z","fields":{"a":"b"}}',),
    "cloudevents": (
        b'[{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-11-21T10:00:00Z","data":'
        + EVENT
        + b"}]",
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"e30="}',
    ),
    "admit": (
        EVENT[:-1] + b',"ext":{"arguments":{"path":"../x"},"result":"y"}}',
        EVENT + b"\n" + EVENT[:-1] + b',"kind":"permission","change":{"object":"role","action":"grant","before":1}}',
    ),
    "syslog": (
        b'<34>1 2026-11-21T10:00:00Z host app 1 id [a b="c"][d@1 e="f\\]"] {"x":1}',
        b"<34>Oct 11 22:14:15 host app[12]: text",
        b"<13>Nov  1 2026 10:00:00: CEF:0|v|p|1|id|name|5|src=1.2.3.4",
    ),
    "syslog-framing": (b"12 <34>1 - - - \n<34>Oct 11 22:14:15 host app: text\n",),
    "cef": (
        b"CEF:0|v|p|1|id|name|5|src=1.2.3.4 cs1Label=x cs1=y msg=a\\=b\\nc",
        b"LEEF:2.0|v|p|1|id|^|src=1.2.3.4^usrName=a",
        b"LEEF:1.0|v|p|1|id|src=1.2.3.4\tusrName=a",
    ),
    "container-lines": (
        b"2026-11-21T10:00:00.000000000Z stdout F text",
        b"2026-11-21T10:00:00.000000000+01:00 stderr P:tag text",
        b'{"log":"text\\n","stream":"stderr","time":"2026-11-21T10:00:00.000000000Z"}',
    ),
    "webhook": (b'{"time":"2026-11-21T10:00:00Z","event":"x"}', b'{"events":[{"time":"2026-11-21T10:00:00Z"}]}'),
    "pagerduty-hook": (
        b'v1=00,v1=11\n{"event":{"event_type":"incident.acknowledged","agent":{"summary":"S"},"data":{"incident_key":'
        b'"tocsin:0123abcd:1"}}}',
    ),
    "exchange": (
        CALL + b"\n\ndata: " + ANSWER + b"\n\n",
        b"[" + CALL + b"," + CALL + b"]\n\n[" + ANSWER + b"]",
        CALL + b'\n\n{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":'
        b'{"method":"elicitation/create","params":{"message":"m"}}},"requestState":"x"}}',
    ),
    "token": (
        b'{"typ":"JWT","kid":"a"}\n{"iss":"https://idp","sub":"a","exp":1795158000,"act":{"sub":"b"},"scope":"x"}',
    ),
    "inspection": (
        b'{"text":"ignore all previous instructions <!-- ai --> AKIAABCDEFGHIJKLMNOP 4111 1111 1111 1111"}',
    ),
    "upstream": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    ),
    "server-stream": (
        b'event: message\ndata: {"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"m"}}\n\n',
        b'data: {"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"messages":[{"role":"user"}]}}\n\n',
        b'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n',
    ),
    "stdio-lines": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}\n{"jsonrpc":"2.0","id":1,"method":"roots/list"}\n'
        b'{"jsonrpc":"2.0","id":1,"result":{"roots":[]}}\n{"jsonrpc":"2.0","id":1,"result":{"inputRequests":{}}}',
        CALL + b"\n" + ANSWER,
    ),
    "ownership-match": (b"^(?P<tenant>[a-z]+)-\nacme-1",),
    "gzip": (gzip.compress(EVENT, mtime=0),),
    "zstd": (zstandard.compress(EVENT),),
    "mask": (b"password=hunter2 Authorization: Bearer abc.def a@example.org",),
    "key-set": (b'{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"a"}]}',),
}
"""Those that no sample of a format gives."""
OF_SAMPLES: Final = ("format-auto", "inspection", "admit", "otlp-traces", "otlp-logs", "lines", "hec", "cloudevents")
"""Targets that begin with the samples of every format, too."""


def example(kind: inspect.Type) -> Any:
    """A value of a type with everything in it that there can be."""
    match kind:
        case inspect.StructType():
            if kind.array_like:
                return [*([kind.tag] if kind.tag_field else []), *[example(field.type) for field in kind.fields]]
            named = {field.encode_name: example(field.type) for field in kind.fields}
            return {kind.tag_field: kind.tag, **named} if kind.tag_field else named
        case inspect.UnionType():
            return example(next(one for one in kind.types if not isinstance(one, inspect.NoneType)))
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.DictType():
            return {example(kind.key_type): example(kind.value_type)}
        case inspect.NamedTupleType() | inspect.TupleType():
            fields = [one.type for one in kind.fields] if isinstance(kind, inspect.NamedTupleType) else kind.item_types
            return [example(one) for one in fields]
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
            return [example(kind.item_type)]
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return 1
        case inspect.FloatType():
            return 1_795_154_400.5
        case inspect.BytesType():
            return "AAAA"
        case inspect.DateTimeType():
            return "2026-11-21T10:00:00Z"
        case inspect.RawType():
            return {"count": 1, "tools": {"a": "b"}, "object": "role", "action": "grant", "grantee": "c"}
        case _:
            return "x"


def controls() -> list[bytes]:
    """One control record of each kind."""
    union = inspect.type_info(control.Control)
    assert isinstance(union, inspect.UnionType)
    return [msgspec.json.encode(example(one)) for one in union.types]


def seeds(target: str) -> dict[str, bytes]:
    """A target's seeds by a name for each."""
    own = list(OWN.get(target, ()))
    event, found = (msgspec.json.encode(example(inspect.type_info(kind))) for kind in (AuditEvent, Finding))
    if target in ("frame", "kafka-record"):
        own += [_framed(body, content="control") for body in controls()]
        own += [_framed(found, content="findings", origin=["t", 0, 1, 2]), _framed(EVENT, content="events")]
        own += [_framed(EVENT, content="events", codec="none", lines=[1], late="AQ==", tenant="acme")]
    own += {"control": controls(), "finding": [found]}.get(target, [])
    if target in ("native-lines", "admit", "format-native", "format-auto", "lines"):
        own += [event, event + b"\n" + EVENT]
    samples = {
        f"sample-{name}-{number}": case.record
        for name in names()
        if target == f"format-{name}" or target in OF_SAMPLES
        for number, case in enumerate(cases(name))
    }
    if target in ("otlp-traces", "otlp-logs"):
        samples |= {f"{name}-pb": protobuf(record) for name, record in samples.items() if b'"resource' in record[:14]}
    return {**{f"seed-{number}": data for number, data in enumerate(own)}, **samples}


def _framed(body: bytes, **header: Any) -> bytes:
    """A frame as the targets read it: its header as JSON, then its payload."""
    return msgspec.json.encode({"received": 1_795_154_400.5, "source": "s", "count": 1, **header}) + b"\n" + body


def main(target: str, folder: Path) -> None:
    """Write a target's seeds."""
    assert target.removeprefix("format-") in format_names() or seeds(target), f"{target} begins with nothing"
    for name, data in seeds(target).items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
