"""docker-compose.yml: valid by the compose specification, and as closed as it claims to be."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.settings import Settings

TOP = Path(__file__).resolve().parents[2]
FILE = TOP / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
THIRD_PARTY_VARIABLES = {
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN_PATH",
    "RAY_REDIS_ADDRESS",
    "RAY_external_storage_namespace",
    "POSTGRES_USER",
    "POSTGRES_DB",
    "POSTGRES_PASSWORD_FILE",
}

every_service = pytest.mark.parametrize("name", SERVICES)
our_services = pytest.mark.parametrize("name", OURS)


def environment(name: str) -> dict[str, str]:
    return SERVICES[name].get("environment", {})


def expand(text: str) -> str:
    """A value with the defaults of its variables."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def accepted_by_settings() -> set[str]:
    """Names of variables that `Settings` reads."""
    names: set[str] = set()
    for field_name, field in Settings.model_fields.items():
        names.add(f"HYPERADAM_{field_name.upper()}")
        choices = map(str, getattr(field.validation_alias, "choices", []))
        names |= {choice for choice in choices if choice.isupper()}
    return names | {f"{name}_FILE" for name in names}


def test_it_is_valid_by_the_compose_specification() -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    command = [tool, "--builtin-schema", "vendor.compose-spec", FILE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_docker_compose_accepts_it() -> None:
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("docker is not installed")
    version = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    if version.returncode:
        pytest.skip("docker compose is not installed")
    command = [docker, "compose", "--file", FILE, "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_only_the_api_is_published_and_on_loopback_by_default() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api": ["${HYPERADAM_PUBLISH:-127.0.0.1:8400}:8400"]}
    assert all(service.get("network_mode") is None for service in SERVICES.values())


def test_everything_but_the_api_is_on_networks_without_a_way_out() -> None:
    networks = {name: ["inside"] for name in SERVICES}
    networks |= {"api": ["inside", "outside"], "ray-head": ["inside", "head"], "redis": ["head"]}
    assert {name: service["networks"] for name, service in SERVICES.items()} == networks
    assert COMPOSE["networks"] == {
        "inside": {"internal": True},
        "head": {"internal": True},
        "outside": {},
    }


def test_the_head_keeps_what_it_knows_in_redis() -> None:
    """It asks for no password, as nobody else is on its network."""
    head = SERVICES["ray-head"]
    assert head["environment"]["RAY_REDIS_ADDRESS"] == "redis:6379"
    assert "redis:/data" in SERVICES["redis"]["volumes"]
    assert head["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_images_carry_the_version() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    tags = {expand(SERVICES[name]["image"]).rpartition(":")[2] for name in OURS}
    assert tags == {project["version"]}


@every_service
def test_a_service_has_an_image_a_user_a_health_check_and_a_restart_policy(name: str) -> None:
    service = SERVICES[name]
    image = expand(service["image"])
    assert re.fullmatch(r"[a-z0-9/-]+:[\w.-]+", image)
    assert not image.endswith(":latest")
    assert service["user"] not in ("", "root", "0", "0:0")
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    assert name == "api" or "healthcheck" in service, "only the API's check stands in the image"
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")


@every_service
def test_a_service_writes_into_volumes_and_memory_alone_and_has_limits(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])
    assert re.fullmatch(r"\d+g", expand(service["mem_limit"]))
    assert float(expand(str(service["cpus"]))) > 0
    assert 0 < service["pids_limit"] <= 8192


@our_services
def test_what_is_compiled_at_first_use_can_be_run(name: str) -> None:
    [home] = [mount for mount in SERVICES[name]["tmpfs"] if mount.startswith("/run/hyperadam:")]
    assert "exec" in home.partition(":")[2].split(",")


def test_images_can_be_pinned_by_digest() -> None:
    assert SERVICES["postgres"]["image"].startswith("${HYPERADAM_POSTGRES_IMAGE:-")
    for name in OURS:
        base = SERVICES[name]["build"]["args"]["PYTHON_IMAGE"]
        assert base.startswith("${HYPERADAM_PYTHON_IMAGE:-python:3.11")


@our_services
def test_our_services_drop_every_capability_and_are_built_from_a_target_that_exists(
    name: str,
) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    build = service["build"]
    dockerfile = (TOP / build["context"] / build["dockerfile"]).read_text("utf-8")
    assert re.search(rf"^FROM \w+ AS {build['target']}$", dockerfile, re.MULTILINE)


@every_service
def test_secrets_are_files_and_declared(name: str) -> None:
    mounted = set(SERVICES[name].get("secrets", []))
    assert mounted <= set(COMPOSE["secrets"])
    named = {
        value for value in environment(name).values() if str(value).startswith("/run/secrets/")
    }
    if name == "ray-head":  # where drivers run
        named.add(environment("reconciler")["HYPERADAM_DRIVER_PASSWORD_PATH"])
    assert {Path(value).name for value in named} == mounted


@every_service
def test_no_secret_stands_in_the_environment(name: str) -> None:
    for variable, value in environment(name).items():
        if re.search(r"PASSWORD|TOKEN|SECRET|KEY", variable):
            assert str(value).startswith("/run/secrets/"), variable
        assert not re.search(r"://[^/@\s]*:[^/@\s]*@", str(value)), f"{variable} holds a password"


def test_secret_files_are_not_tracked() -> None:
    for secret in COMPOSE["secrets"].values():
        ignored = subprocess.run(
            ["git", "check-ignore", "-q", secret["file"]], cwd=TOP, check=False
        ).returncode
        assert ignored in (0, 128), f"{secret['file']} would be tracked"  # 128: not a checkout


@every_service
def test_what_a_service_waits_for_exists_and_can_become_so(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        if wait["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]
        else:
            assert wait["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no"


@every_service
def test_volumes_are_declared_or_files_of_the_project(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = expand(volume).split(":")[0]
        is_declared = source in COMPOSE["volumes"]
        is_of_the_project = source == "./data" or (TOP / source).is_file()
        assert is_declared or is_of_the_project, volume


@our_services
def test_every_variable_is_one_that_the_program_reads(name: str) -> None:
    assert set(environment(name)) - accepted_by_settings() - THIRD_PARTY_VARIABLES == set()


@our_services
def test_every_process_that_talks_to_ray_carries_the_token(name: str) -> None:
    """Without RAY_AUTH_MODE=token a Ray head runs the code of anyone who reaches it."""
    talks = SERVICES[name]["command"][0] == "ray" or "RAY_ADDRESS" in environment(name)
    assert (environment(name).get("RAY_AUTH_MODE") == "token") is talks
    assert ("ray_token" in SERVICES[name].get("secrets", [])) is talks


@pytest.mark.parametrize("name", ["api", "reconciler", "migrate"])
def test_the_settings_that_the_server_gets_are_those_of_postgres(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3cret/with?marks\n")
    for variable, value in environment(name).items():
        monkeypatch.setenv(variable, expand(str(value)))
    monkeypatch.setenv("HYPERADAM_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    settings = Settings(home=tmp_path)
    server = "postgresql+psycopg://hyperadam:s3cret%2Fwith%3Fmarks@postgres:5432"
    assert settings.database_url == f"{server}/hyperadam"
    assert settings.tracking_uri == f"{server}/mlflow"
    assert settings.artifact_location == "/var/lib/hyperadam/artifacts"
    assert settings.ray_address == environment(name).get("RAY_ADDRESS", "")


def test_server_commands_exist() -> None:
    from typer.main import get_command

    from services.cli import app

    # typer types it as a single command
    commands = set(getattr(get_command(app), "commands"))  # noqa: B009
    used = {
        service["command"][1]
        for service in SERVICES.values()
        if service.get("command", [""])[0] == "hyperadam-server"
    }
    assert used == {"api", "reconciler", "migrate"}
    assert used <= commands
