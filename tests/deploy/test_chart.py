"""The Helm chart: linted and rendered by Helm's engine, held against Kubernetes' schemas, and as
closed as it claims to be."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils

from services.setting_names import describe_unknown
from services.settings import Settings
from tests.deploy.charts import (
    CHART,
    EXAMPLES,
    Manifest,
    find,
    get_container,
    list_pods,
    read_environment,
    read_values,
    render,
    render_values,
)

helm = pytest.importorskip("helm_python", reason="helm-python-sdk has no wheel for this machine")

SCHEMAS = Path(__file__).with_name("schemas")
KUBERNETES = ["1.28", "1.37"]
"""The oldest version that the chart takes, and the newest with a schema here."""
FOREIGN = {"RayCluster", "ServiceMonitor", "PrometheusRule"}
OURS = {"api", "reconciler", "migrate", "backup"}

every_example = pytest.mark.parametrize("example", EXAMPLES)


@pytest.fixture(scope="module", autouse=True)
def _schemas_are_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", cache(utils.schema_contents))
        yield


def test_there_are_four_examples() -> None:
    assert EXAMPLES == ["external", "gpu", "production", "trial"]


@every_example
def test_lint_finds_nothing(example: str) -> None:
    report = helm.lint(CHART, read_values(example), strict=True)
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > 1] == []


@every_example
@pytest.mark.parametrize("version", KUBERNETES)
def test_manifests_are_valid(example: str, version: str) -> None:
    manifests = render(example)
    for manifest in manifests:
        if manifest["kind"] not in FOREIGN:
            kubernetes_validate.validate(manifest, version, strict=True)
            continue
        schema = json.loads((SCHEMAS / f"{manifest['kind'].lower()}.json").read_text())
        jsonschema.validate(manifest, schema)
    for template in list_pods(
        manifests
    ).values():  # those of Ray's groups have no kind of their own
        pod = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(template)}
        pod["metadata"]["name"] = "pod"
        kubernetes_validate.validate(pod, version, strict=True)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"api": {"replica": 3}}, "replica"),
        ({"api": {"rootPath": "hyperadam"}}, "rootPath"),
        ({"artifacts": {"location": "/var/lib/artifacts"}}, "location"),
        ({"ray": {"workerGroups": []}}, "workerGroups"),
        ({"settings": {"keep_logs_days": "3"}}, "keep_logs_days"),
        ({"postgres": {"port": "5432"}}, "port"),
        ({"oidc": {"issuer": "http://login.example.com"}}, "issuer"),
        ({"oidc": {"groups": {"ml": {"vision": "admin"}}}}, "groups"),
        ({"oidc": {"secret": "x"}}, "secret"),
        ({"backup": {"enabled": True}}, "existingClaim"),
        ({"backup": {"enabled": True, "existingClaim": ""}}, "existingClaim"),
        ({"backup": {"keep": 0}}, "keep"),
        ({"backup": {"schedule": "daily"}}, "schedule"),
    ],
)
def test_values_that_cannot_work_are_refused(values: dict[str, Any], said: str) -> None:
    with helm.Chart.load(CHART) as chart, pytest.raises(helm.HelmError, match=said):
        chart.validate_schema(values)


def test_every_value_has_its_place_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def list_paths(part: Any, found: dict[str, Any], path: str) -> Iterator[str]:
        for name, value in part.items():
            if name not in found.get("properties", {}):
                yield f"{path}.{name}"
            elif isinstance(value, dict) and "properties" in found["properties"][name]:
                yield from list_paths(value, found["properties"][name], f"{path}.{name}")

    assert list(list_paths(values, schema, "")) == []


def test_it_carries_the_projects_own_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    pyproject = (CHART.parents[2] / "pyproject.toml").read_text("utf-8")
    version = re.findall(r'^version = "(.+)"$', pyproject, re.MULTILINE)[0]
    assert chart["version"] == chart["appVersion"] == version
    images = {get_container(pod)["image"] for pod in list_pods(render("trial")).values()}
    assert {f"hyperadam-api:{version}", f"hyperadam-trainer:{version}"} <= images
    ray = re.findall(r"ray\[default,tune\]>=([\d.]+)", pyproject)[0]
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["ray"]["version"].startswith(ray)


@every_example
def test_a_pod_is_shut_in(example: str) -> None:
    for name, template in list_pods(render(example)).items():
        pod = template["spec"]
        container = get_container(template)
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {"requests", "limits"} <= container["resources"].keys(), name
        if name != "ray-head":  # its autoscaler asks Kubernetes for nodes
            assert pod["automountServiceAccountToken"] is False, name
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        of_claims = {
            claim["metadata"]["name"]
            for manifest in render(example)
            for claim in manifest.get("spec", {}).get("volumeClaimTemplates", [])
        }
        declared = {volume["name"] for volume in pod["volumes"]}
        assert declared <= mounted <= declared | of_claims, name


@every_example
def test_secrets_are_files(example: str) -> None:
    for name, template in list_pods(render(example)).items():
        container = get_container(template)
        from_secrets = [
            item["name"]
            for item in container.get("env", [])
            if "secretKeyRef" in item.get("valueFrom", {})
        ]
        assert from_secrets == (["PGPASSWORD"] if name == "mlflow" else []), name
        [keys] = [
            {item["key"] for item in volume["secret"]["items"]}
            for volume in template["spec"]["volumes"]
            if "secret" in volume
        ]
        named = set()
        for variable, value in read_environment(container).items():
            if value.startswith("/run/secrets/hyperadam/"):
                named.add(Path(value).name)
            assert not re.search(r"://[^/@\s]*:[^/@\s]*@", value), f"{name} {variable}"
        assert named <= keys, name


@every_example
def test_every_variable_is_a_setting(example: str) -> None:
    for name, template in list_pods(render(example)).items():
        if name in OURS:
            environment = read_environment(get_container(template))
            assert describe_unknown(environment, Settings.model_fields) == []


def test_people_of_an_issuer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The API alone is told of them, and has the client's secret as a file."""
    groups = {"ml, vision & more": {"vision": "submit"}, "platform": "admin"}
    oidc = {
        "issuer": "https://login.example.com/realms/lab",
        "audience": "hyperadam-api",
        "clientId": "dashboard",
        "groups": groups,
    }
    pods = list_pods(render_values({**read_values("trial"), "oidc": oidc}))
    environment = read_environment(get_container(pods["api"]))
    assert not any("OIDC" in name for name in read_environment(get_container(pods["reconciler"])))
    assert describe_unknown(environment, Settings.model_fields) == []
    [keys] = [
        {item["key"] for item in volume["secret"]["items"]}
        for volume in pods["api"]["spec"]["volumes"]
        if "secret" in volume
    ]
    secret_file = environment.pop("HYPERADAM_OIDC_CLIENT_SECRET_FILE")
    assert Path(secret_file).name in keys
    (tmp_path / "password").write_text("s3cret")
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("HYPERADAM_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    settings = Settings(home=tmp_path)
    assert json.loads(settings.oidc_groups) == groups
    public = list_pods(
        render_values({**read_values("trial"), "oidc": {**oidc, "publicClient": True}})
    )
    assert "oidc-client-secret" not in str(public["api"])


@every_example
def test_settings_that_pods_get_can_be_read(
    example: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3cret")
    for name in OURS & list_pods(render(example)).keys():
        environment = read_environment(get_container(list_pods(render(example))[name]))
        with monkeypatch.context() as patch:
            for variable, value in environment.items():
                patch.setenv(variable, value)
            patch.setenv("HYPERADAM_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
            settings = Settings(home=tmp_path)
        assert settings.artifact_location.startswith(("s3://", "gs://"))
        assert ":s3cret@" in settings.database_url
        assert bool(settings.ray_address) is (name == "reconciler")


@every_example
def test_services_lead_to_ports_of_pods(example: str) -> None:
    pods = list(list_pods(render(example)).values())
    for manifest in render(example):
        if manifest["kind"] != "Service" or manifest["metadata"]["name"].endswith("-nowhere"):
            continue
        selector = manifest["spec"]["selector"].items()
        [pod] = [pod for pod in pods if selector <= pod["metadata"]["labels"].items()]
        ports = {port["name"] for port in get_container(pod)["ports"]}
        assert {port["targetPort"] for port in manifest["spec"]["ports"]} <= ports


def test_only_the_api_is_reached() -> None:
    manifests = render("production")
    policies = [manifest for manifest in manifests if manifest["kind"] == "NetworkPolicy"]
    nobody = find(manifests, "NetworkPolicy", "-nobody")["spec"]
    assert "ingress" not in nobody
    assert nobody["podSelector"] == {"matchLabels": {"app.kubernetes.io/instance": "try"}}
    from_outside = [
        policy["metadata"]["name"]
        for policy in policies
        for rule in policy["spec"].get("ingress", [])
        if any("podSelector" not in peer for peer in rule.get("from", [{}]))
    ]
    assert from_outside == ["try-hyperadam-api"]
    services = [manifest for manifest in manifests if manifest["kind"] == "Service"]
    assert {service["spec"].get("type", "ClusterIP") for service in services} == {"ClusterIP"}
    [ingress] = [manifest for manifest in manifests if manifest["kind"] == "Ingress"]
    paths = ingress["spec"]["rules"][0]["http"]["paths"]
    assert [path["path"] for path in paths] == ["/hyperadam/metrics", "/hyperadam"]
    assert paths[0]["backend"]["service"]["name"].endswith("-nowhere")


def test_workers_reach_their_cluster_and_stores_alone() -> None:
    policy = find(render("production"), "NetworkPolicy", "-ray-worker-out")["spec"]
    dns, within, stores = policy["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert within == {
        "to": [{"podSelector": {"matchLabels": {"app.kubernetes.io/instance": "try"}}}]
    }
    assert {port["port"] for port in stores["ports"]} == {443, 5432}


@every_example
def test_every_process_that_talks_to_ray_carries_the_token(example: str) -> None:
    pods = list_pods(render(example))
    for name in {"reconciler", "ray-head", "ray-worker"} & pods.keys():
        environment = read_environment(get_container(pods[name]))
        assert environment["RAY_AUTH_MODE"] == "token", name
        assert environment["RAY_AUTH_TOKEN_PATH"].endswith("/ray-token"), name


def test_workers_have_what_chunks_need() -> None:
    """A core, and 2 GiB a core, of a node of its own size: Ray counts what the limits say."""
    for example in ("trial", "production", "gpu"):
        for group in find(render(example), "RayCluster", "-ray")["spec"]["workerGroupSpecs"]:
            resources = get_container(group["template"])["resources"]
            assert resources["requests"] == resources["limits"]
            assert resources["limits"]["cpu"].isdigit()
            gibibytes = int(resources["limits"]["memory"].removesuffix("Gi"))
            assert gibibytes >= 2 * int(resources["limits"]["cpu"])


def test_the_head_outlives_itself_and_workers_come_and_go() -> None:
    cluster = find(render("production"), "RayCluster", "-ray")["spec"]
    assert cluster["enableInTreeAutoscaling"] is True
    redis = cluster["gcsFaultToleranceOptions"]
    assert redis["redisAddress"] == "redis.databases.svc.cluster.local:6379"
    assert redis["redisPassword"]["valueFrom"]["secretKeyRef"]["key"] == "redis-password"
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_alerts_and_the_board_are_those_of_the_project() -> None:
    manifests = render("production")
    alerts = yaml.safe_load((CHART.parents[1] / "prometheus/alerts.yml").read_text("utf-8"))
    assert find(manifests, "PrometheusRule", "hyperadam")["spec"] == alerts
    board = json.loads((CHART.parents[1] / "grafana/hyperadam.json").read_text("utf-8"))
    text = find(manifests, "ConfigMap", "-dashboard")["data"]["hyperadam.json"]
    assert json.loads(text) == board


def test_the_migration_runs_before_an_upgrade() -> None:
    job = find(render("trial"), "Job", "-migrate")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-install,pre-upgrade"


def test_a_trial_makes_its_secrets() -> None:
    import base64

    def decode(manifests: list[Manifest]) -> dict[str, str]:
        data = find(manifests, "Secret", "-secrets")["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    first = decode(render_values(read_values("trial")))
    second = decode(render_values(read_values("trial")))
    assert all(first[key] != second[key] for key in first)
    assert first["s3-access-key"] in first["s3-credentials"]
    assert first["s3-secret-key"] in first["s3-credentials"]
    wanted = {
        item["key"]
        for pod in list_pods(render("trial")).values()
        for volume in pod["spec"]["volumes"]
        for item in volume.get("secret", {}).get("items", [])
    }
    assert wanted <= first.keys()
