"""The chart as Helm's own engine renders it, and what stands in it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "deploy/helm/hyperadam"
EXAMPLES = sorted(path.stem for path in (CHART / "examples").glob("*.yaml"))
Manifest = dict[str, Any]


def read_values(example: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((CHART / "examples" / f"{example}.yaml").read_text())
    return values


@cache
def render(example: str) -> list[Manifest]:
    """All manifests of a release called `try` with the values of an example."""
    return render_values(read_values(example))


def render_values(values: dict[str, Any]) -> list[Manifest]:
    from helm_python import Chart

    with Chart.load(CHART) as chart:
        files = chart.render(values, name="try", namespace="lab")
    manifests = []
    for name, text in files.items():
        if not name.endswith(".txt"):
            manifests += [manifest for manifest in yaml.safe_load_all(text) if manifest]
    return manifests


def find(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one manifest of a kind whose name ends so."""
    [found] = [
        manifest
        for manifest in manifests
        if manifest["kind"] == kind and manifest["metadata"]["name"].endswith(name)
    ]
    return found


def list_pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Component → its pod's template, those of Ray's groups too."""
    templates = []
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "RayCluster":
            templates.append(spec["headGroupSpec"]["template"])
            templates += [group["template"] for group in spec["workerGroupSpecs"]]
        elif manifest["kind"] == "CronJob":
            templates.append(spec["jobTemplate"]["spec"]["template"])
        elif manifest["kind"] in ("Deployment", "StatefulSet", "Job"):
            templates.append(spec["template"])
    return {
        template["metadata"]["labels"]["app.kubernetes.io/component"]: template
        for template in templates
    }


def get_container(template: Manifest) -> Manifest:
    """The one container of a pod."""
    [container] = template["spec"]["containers"]
    return dict(container)


def read_environment(container: Manifest) -> dict[str, str]:
    """Variables with a value of their own."""
    variables = container.get("env", [])
    return {item["name"]: item["value"] for item in variables if "value" in item}
