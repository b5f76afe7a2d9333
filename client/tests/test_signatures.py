"""Whose signature a version has: statements, keys, and what is refused."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import pytest
from hyperadam.signatures import (
    Signature,
    SignatureProblem,
    TrustPolicy,
    format_key,
    make_key_id,
    make_statement,
    read_signature,
)

ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
SHA256 = "ab" * 32


def sign(name: str = "a", number: int = 1, sha256: str = SHA256) -> Signature:
    value = KEY.sign(make_statement(name, number, sha256))
    return Signature(key_id=make_key_id(PUBLIC), value=base64.b64encode(value).decode())


@pytest.fixture
def policy(tmp_path: Path) -> TrustPolicy:
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\n{format_key(PUBLIC, 'the lab')}  # since 2026\n")
    return TrustPolicy.load(file)


def test_the_statement_is_these_bytes() -> None:
    expected = b"hyperadam-version-1\nmine@3\n" + b"ab" * 32 + b"\n"
    assert make_statement("mine", 3, SHA256) == expected


def test_a_right_signature_names_its_key(policy: TrustPolicy) -> None:
    assert policy.check("a", 1, SHA256, sign()) == "the lab"
    assert policy.check("a", 1, SHA256, Signature.from_text(sign().as_text())) == "the lab"


@pytest.mark.parametrize(
    "signature",
    [
        sign(name="b"),
        sign(number=2),
        sign(sha256="ac" * 32),
        Signature(key_id=make_key_id(PUBLIC), value=base64.b64encode(bytes(64)).decode()),
        Signature(key_id=make_key_id(PUBLIC), value="AAAA"),
        Signature(key_id=make_key_id(PUBLIC), value="not base64!"),
    ],
)
def test_a_wrong_signature_is_refused(policy: TrustPolicy, signature: Signature) -> None:
    with pytest.raises(SignatureProblem, match="the lab has signed something else"):
        policy.check("a", 1, SHA256, signature)


def test_no_signature_and_an_unknown_key_are_refused(policy: TrustPolicy) -> None:
    with pytest.raises(SignatureProblem, match="a@1 is not signed"):
        policy.check("a", 1, SHA256, None)
    with pytest.raises(SignatureProblem, match="which is not trusted"):
        policy.check("a", 1, SHA256, Signature(key_id="0" * 16, value=sign().value))
    other = Signature(key_id=sign().key_id, value=sign().value, algorithm="rsa")
    with pytest.raises(SignatureProblem, match="which is not trusted"):
        policy.check("a", 1, SHA256, other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no key"),
        ("# nothing\n", "names no key"),
        ("ed25519:AAAA me\n", "line 1 is no key"),
        ("rsa:" + base64.b64encode(PUBLIC).decode(), "line 1 is no key"),
        ("\nssh-ed25519 AAAA", "line 2 is no key"),
    ],
)
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(SignatureProblem, match=message):
        TrustPolicy.load(tmp_path / "keys")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignatureProblem, match="cannot read the trusted keys"):
        TrustPolicy.load(tmp_path / "keys")


@pytest.mark.parametrize("content", [None, [], {}, {"key_id": 1, "value": "", "algorithm": ""}])
def test_an_answer_without_a_signature_has_none(content: Any) -> None:
    assert read_signature(content) is None


def test_without_the_library_nothing_is_believed(
    policy: TrustPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(SignatureProblem, match=r"hyperadam\[signing\]"):
        policy.check("a", 1, SHA256, sign())
