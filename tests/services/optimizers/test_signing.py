"""Each version that is registered is signed by the operator's key, if there is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hyperadam.signatures import Signature, TrustPolicy, format_key
from pydantic import ValidationError
from typer.testing import CliRunner

from registry.memory import InMemoryRegistry
from services.cli import app
from services.container import Container
from services.database.base import Database
from services.reconciler.loop import Reconciler
from services.settings import Settings
from services.signing import Signer, make_private_key
from tests.registry.thetas import make_theta
from tests.services.support import PlayedExecutor, Stage

BINARY = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    pem, _ = make_private_key()
    return Settings.model_validate(
        {
            "home": tmp_path,
            "database_url": database_url,
            "executor": "process",
            "signing_key": pem,
        }
    )


@pytest.fixture
def policy(settings: Settings, tmp_path: Path) -> TrustPolicy:
    signer = Signer(settings.signing_key.get_secret_value())
    (tmp_path / "keys").write_text(format_key(signer.public_bytes, "the lab"))
    return TrustPolicy.load(tmp_path / "keys")


def test_an_upload_is_signed(client: TestClient, policy: TrustPolicy) -> None:
    data = make_theta(1).to_bytes()
    answer = client.post("/v1/optimizers/mine/versions", content=data, headers=BINARY).json()
    signature = Signature(**answer["signature"])
    assert policy.check("mine", 1, answer["sha256"], signature) == "the lab"
    again = client.post("/v1/optimizers/mine/versions", content=data, headers=BINARY).json()
    assert again["signature"] == answer["signature"]
    shown = client.get("/v1/optimizers/mine/versions/1").json()
    assert shown["signature"] == answer["signature"]


def test_the_version_of_a_job_is_signed(
    stage: Stage, registry: InMemoryRegistry, policy: TrustPolicy
) -> None:
    job = stage.submit()
    stage.tick()
    theta = make_theta(1)
    registry.create_version("hyper", theta, key=job, run_id=stage.run_id(job))
    version = {"optimizer": "hyper", "number": 1, "sha256": theta.sha256}
    stage.finish(job, "succeeded", version=version)
    stage.tick_until(job, "succeeded")
    signature = registry.version("hyper", "1").signature
    assert signature is not None
    policy.check("hyper", 1, theta.sha256, Signature.from_text(signature))


def test_what_a_driver_says_wrongly_is_not_signed(stage: Stage, registry: InMemoryRegistry) -> None:
    job = stage.submit()
    stage.tick()
    registry.create_version("hyper", make_theta(1), key=job, run_id=stage.run_id(job))
    stage.finish(job, "succeeded", version={"optimizer": "hyper", "number": 1, "sha256": "0" * 64})
    stage.tick_until(job, "succeeded")
    assert registry.version("hyper", "1").signature is None


def test_without_a_key_nothing_is_signed(
    settings: Settings, database: Database, registry: InMemoryRegistry, executor: PlayedExecutor
) -> None:
    plain = settings.model_copy(update={"signing_key": Settings().signing_key})
    assert Container(settings=plain, database=database, registry=registry).signer is None
    Reconciler(plain, database, registry, executor)


def test_a_damaged_signature_is_none(client: TestClient, registry: InMemoryRegistry) -> None:
    registry.create_version("mine", make_theta(1), key="k")
    registry.sign_version("mine", 1, "ed25519:ab:AA==")
    shown = client.get("/v1/optimizers/mine/versions/1").json()
    assert shown["signature"] == {"algorithm": "ed25519", "key_id": "ab", "value": "AA=="}
    with pytest.raises(ValueError, match="signature must be"):
        registry.sign_version("mine", 1, "nonsense\n")


@pytest.mark.parametrize("damage", ["nonsense", ""])
def test_a_wrong_key_is_told_at_the_start_and_not_shown(damage: str) -> None:
    pem = damage or make_private_key()[0].replace("M", "N", 1)
    with pytest.raises(ValidationError, match="no private key in PEM") as caught:
        Settings.model_validate({"signing_key": pem})
    assert pem not in str(caught.value)


def test_the_command_makes_a_key_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key.pem"
    result = CliRunner().invoke(app, ["signing-key", str(file), "--name", "the lab"])
    assert result.exit_code == 0, result.output
    assert file.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("HYPERADAM_SIGNING_KEY_FILE", str(file))
    signer = Signer(Settings().signing_key.get_secret_value())
    assert result.stdout.strip() == format_key(signer.public_bytes, "the lab")

    again = CliRunner().invoke(app, ["signing-key", str(file)])
    assert (again.exit_code, "never overwritten" in again.output) == (1, True)
