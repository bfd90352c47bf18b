"""Notes are those of C2SP: published keys and signatures are read, and nothing that was changed is."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import RejectedError
from stream.ledger.note import Checkpoint, Signer, Verifier, opened, signed

NEUMANN = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    f"{TEXT}\n\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The keys and the note of the examples of Go's golang.org/x/mod/sumdb/note, in which the form was published."""
SUMDB = Verifier.parse("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
OURS = Signer("example.org/log", bytes(range(32)))


def test_the_published_note_is_read() -> None:
    assert opened(NOTE, [SUMDB, NEUMANN]) == (TEXT, (NEUMANN,))


def test_the_published_key_signs_the_published_signature() -> None:
    signer = Signer.parse(SECRET)
    assert (str(signer.verifier), signer.secret) == (str(NEUMANN), SECRET)
    assert signed(TEXT, [signer]) == NOTE


def test_the_key_of_a_log_in_use_is_read_and_written_alike() -> None:
    assert str(SUMDB) == "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


def test_two_keys_sign_and_either_is_enough() -> None:
    other = Signer("example.org/log", bytes(32))
    note = signed(TEXT, [OURS, other])
    assert opened(note, [OURS.verifier]).by == (OURS.verifier,)
    assert opened(note, [other.verifier]).by == (other.verifier,)
    assert opened(note, [OURS.verifier, other.verifier]).by == (OURS.verifier, other.verifier)


@given(st.integers(0, 2**32), st.integers(1, 255))
def test_a_changed_note_is_never_read(seed: int, change: int) -> None:
    content = bytearray(NOTE.encode())
    at = Random(seed).randrange(len(content))
    content[at] ^= change
    text = content.decode("utf-8", "surrogateescape")
    with pytest.raises((RejectedError, UnicodeEncodeError)):
        opened(text, [NEUMANN])


@pytest.mark.parametrize("note", ["", "\n\n", TEXT, f"{TEXT}\n", NOTE[:-1], NOTE.replace("\u2014", "-"), "\x00" + NOTE])
def test_what_is_no_note_is_said_to_be_none(note: str) -> None:
    with pytest.raises(RejectedError):
        opened(note, [NEUMANN])


def test_a_note_of_nobody_known_is_not_believed() -> None:
    with pytest.raises(RejectedError, match="none of the known keys"):
        opened(NOTE, [OURS.verifier])


@pytest.mark.parametrize("text", ["", "a", "a+b+c", str(NEUMANN)[:-1], str(NEUMANN).replace("c7", "c8"), " +1+2"])
def test_what_is_no_key_is_said_to_be_none(text: str) -> None:
    with pytest.raises(RejectedError):
        Verifier.parse(text)
    with pytest.raises(RejectedError) as error:
        Signer.parse(f"PRIVATE+KEY+{text}")
    assert len(text) < 6 or text not in str(error.value)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n"])
def test_a_name_that_a_note_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(RejectedError):
        Signer(name, bytes(32))


@given(st.integers(0, 2**63), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_is_read_as_it_was_written(size: int, root: bytes) -> None:
    checkpoint = Checkpoint("example.org/log", size, root)
    assert Checkpoint.parse(str(checkpoint)) == checkpoint
    assert Checkpoint.parse(f"{checkpoint}extension\n") == checkpoint


@pytest.mark.parametrize(
    "text", ["", "a\n", "a\n1\n", "a\n01\n" + "A" * 43 + "=\n", "a\n1\nAAAA\n", "\n1\n" + "A" * 43 + "=\n"]
)
def test_what_is_no_checkpoint_is_said_to_be_none(text: str) -> None:
    with pytest.raises(RejectedError):
        Checkpoint.parse(text)
