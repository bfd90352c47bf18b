"""The archive of evidence: what was sealed is verified, and every change is seen."""

import contextlib
import io
import zipfile
from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from alerting.response.archive import KIND, MANIFEST, Manifest, check, is_evidence, pack
from stream.errors import DamagedError, RejectedError
from tests.alerting.sinks.hostile import CORPUS, ESCAPES, LIVE
from tocsin.incidents.evidence import show_evidence

HEAD = Manifest(kind=KIND, incident="i" * 32, opening=1, sealed="2026-11-20T08:00:00Z", files={})
FILES = {"events.ndjson": b'{"id": "e1"}\n', "incident.json": b"{}\n"}


def test_the_same_content_is_the_same_archive_and_verifies(tmp_path: Path) -> None:
    body, digest = pack(HEAD, FILES)
    assert pack(HEAD, dict(reversed(FILES.items()))) == (body, digest)
    (path := tmp_path / "e.zip").write_bytes(body)
    assert is_evidence(path)
    told = check(path)
    assert (told["digest"], told["incident"]) == (digest, HEAD.incident)
    assert told["files"] == {"events.ndjson": 13, "incident.json": 3}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("events.ndjson", b'{"id": "e2"}\n', "events.ndjson was changed"),
        ("events.ndjson", None, "events.ndjson is missing"),
        ("more.txt", b"x", "more.txt was added"),
    ],
)
def test_what_was_changed_is_named(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    body, _ = pack(HEAD, FILES)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        files = {one: archive.read(one) for one in archive.namelist()}
    files = {**files, name: content} if content is not None else {k: v for k, v in files.items() if k != name}
    with zipfile.ZipFile(path := tmp_path / "e.zip", "w") as archive:
        for one, text in files.items():
            archive.writestr(one, text)
    with pytest.raises(DamagedError) as caught:
        check(path)
    assert says in str(caught.value)


def test_what_is_no_evidence_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "x.zip").write_bytes(b"PK no")
    with pytest.raises(RejectedError):
        check(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(RejectedError) as caught:
        check(path)
    assert "no manifest" in str(caught.value)
    assert MANIFEST == "manifest.json"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.integers(0, 10_000), change=st.integers(1, 255))
def test_no_byte_of_what_was_sealed_can_be_changed_unseen(tmp_path: Path, place: int, change: int) -> None:
    body, digest = pack(HEAD, FILES)
    changed = bytearray(body)
    changed[place % len(body)] ^= change
    (path := tmp_path / "e.zip").write_bytes(bytes(changed))
    try:
        told = check(path)
    except (DamagedError, RejectedError):
        return
    # What is left are bytes of the container that hold no content, such as a time or an attribute.
    assert told["digest"] == digest
    assert told["files"] == {"events.ndjson": 13, "incident.json": 3}


@pytest.mark.parametrize("number", range(len(CORPUS)))
def test_an_archive_that_a_stranger_made_tells_nothing_live(
    tmp_path: Path, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    words = CORPUS[number].encode("utf-8", "replace").decode().replace("\x00", "")[:2000] or "x"
    body, _ = pack(replace(HEAD, incident=words, sealed=words), {words: b"{}"})
    (path := tmp_path / "e.zip").write_bytes(body)
    with contextlib.suppress(typer.Exit):
        show_evidence(path, as_json=False)
    body, _ = pack(HEAD, FILES)
    with zipfile.ZipFile(io.BytesIO(body)) as sealed, zipfile.ZipFile(path, "w") as made:
        made.writestr(MANIFEST, sealed.read(MANIFEST))
        made.writestr(words, "added")
    with contextlib.suppress(typer.Exit):
        show_evidence(path, as_json=False)
    for line in capsys.readouterr().out.splitlines():
        assert not ESCAPES.search(line), line[:200]
        assert not LIVE.search(line), line[:200]
