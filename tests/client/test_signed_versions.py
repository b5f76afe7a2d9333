"""A client that asks for signatures, against the real application: what it takes and what not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import hyperadam
import pytest
from hyperadam.api import Client, ConfigurationError, UntrustedVersion
from hyperadam.api.config import TRUST_VARIABLE
from hyperadam.signatures import format_key

from registry.memory import InMemoryRegistry
from services.signing import Signer, make_private_key
from tests.client.commands import read_documents, run
from tests.client.conftest import QUICK, Service, make_theta

pytestmark = pytest.mark.slow


@pytest.fixture
def signer(service: Service) -> Signer:
    """The operator's key, with which the service signs from now on."""
    pem, _ = make_private_key()
    signer = Signer(pem)
    service.container.__dict__["signer"] = signer
    return signer


@pytest.fixture
def keys(signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file by which the client trusts that key alone."""
    file = tmp_path / "trusted-keys"
    file.write_text(format_key(signer.public_bytes, "the lab"))
    monkeypatch.setenv(TRUST_VARIABLE, str(file))
    return file


def test_signed_versions_are_pulled_and_others_are_not(
    service: Service, client: Client, signer: Signer, keys: Path
) -> None:
    unsigned = service.register(1, name="theirs")
    signed = client.optimizers.push("mine", make_theta(2))
    assert hyperadam.pull("mine@1").sha256 == signed.sha256
    with service.client() as strict:
        assert strict.optimizers.weights("mine") == make_theta(2).to_bytes()
        for call in (strict.optimizers.pull, strict.optimizers.verify):
            with pytest.raises(UntrustedVersion, match="theirs@1 is not signed"):
                call("theirs@1")
        with pytest.raises(UntrustedVersion):
            strict.optimizers.weights("theirs", unsigned.number)


def test_a_signed_file_does_not_pass_for_another_version(
    service: Service, client: Client, keys: Path
) -> None:
    """A lying registry shows an old, signed file as a newer version."""
    client.optimizers.push("mine", make_theta(1))
    client.optimizers.push("mine", make_theta(2))
    registry = service.container.registry
    assert isinstance(registry, InMemoryRegistry)
    versions = registry._versions("mine")
    versions._versions[1] = replace(versions._versions[0], number=2)
    versions._files[1] = versions._files[0]
    with service.client() as strict, pytest.raises(UntrustedVersion, match="something else"):
        strict.optimizers.pull("mine@2")


def test_the_cache_is_trusted_by_the_same_signature(
    service: Service, client: Client, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.register(1, name="theirs")
    client.optimizers.push("mine", make_theta(2))
    monkeypatch.delenv(TRUST_VARIABLE)
    hyperadam.pull("theirs@1")
    hyperadam.pull("mine@1")
    service.stop()

    monkeypatch.setenv(TRUST_VARIABLE, str(keys))
    with Client(service.url, "key", retry=QUICK) as strict:
        assert strict.optimizers.pull("mine@1").sha256 == make_theta(2).sha256
        with pytest.raises(UntrustedVersion):
            strict.optimizers.pull("theirs@1")
    monkeypatch.delenv("HYPERADAM_API_KEY")
    assert hyperadam.pull("mine@1").sha256 == make_theta(2).sha256
    with pytest.raises(UntrustedVersion):
        hyperadam.pull("theirs@1")


def test_the_command_verify(
    service: Service, client: Client, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.optimizers.push("mine", make_theta(1))
    service.register(1, name="theirs")
    assert run("verify", "mine@latest").stdout == "mine@1 is signed by the lab\n"
    [document] = read_documents("verify", "mine@1", "--json")
    assert (document["version"], document["signer"]) == ("mine@1", "the lab")
    assert "theirs@1 is not signed" in run("verify", "theirs@1", code=4).stderr
    assert "not signed" in run("pull", "theirs@1", code=4).stderr

    make_theta(1).save(tmp_path / "same")
    make_theta(2).save(tmp_path / "other")
    run("verify", "mine@1", "--file", str(tmp_path / "same"))
    assert (
        "is not mine@1" in run("verify", "mine@1", "--file", str(tmp_path / "other"), code=2).stderr
    )

    monkeypatch.delenv(TRUST_VARIABLE)
    run("verify", "mine@1", "--trusted-keys", str(keys))
    assert "no keys are trusted" in run("verify", "mine@1", code=3).stderr


def test_a_file_of_keys_that_is_not_there_is_told_at_once(service: Service, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the trusted keys"):
        Client(service.url, "key", trusted_keys=tmp_path / "none")
