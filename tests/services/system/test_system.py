"""What the service says of itself, and who did what."""

from __future__ import annotations

from fastapi.testclient import TestClient

from registry.memory import InMemoryRegistry
from services.container import Container
from tests.registry.thetas import make_theta
from tests.services.support import Stage


def test_queue_active_jobs_and_versions(stage: Stage) -> None:
    first = stage.submit(name="one")
    stage.submit()
    stage.tick(2)
    progress = {"update": 3, "n_updates": 10, "meta_loss": 1.0, "n_workers": 2}
    stage.drive(first, ("progress", progress))
    stage.tick(2)

    answer = stage.client.get("/v1/system").json()
    assert answer["queue"] == {"queued": 1, "running": 1}
    [job] = answer["active"]
    assert (job["id"], job["name"], job["n_workers"]) == (first, "one", 2)
    assert set(answer["versions"]) >= {"hyperadam-server", "torch", "ray", "mlflow", "python"}
    assert answer["mlflow_url"] is None


def test_audit_says_who_did_what(
    stage: Stage, client: TestClient, registry: InMemoryRegistry, services: Container
) -> None:
    job_id = stage.submit()
    client.post(f"/v1/jobs/{job_id}/cancel")
    registry.create_version("hyper", make_theta(1), key="k1")
    body = {"version": 1, "reason": "better on table1"}
    client.put("/v1/optimizers/hyper/aliases/champion", json=body)
    client.delete("/v1/optimizers/hyper/aliases/champion", params={"reason": "worse on mine"})
    client.post("/v1/optimizers/hyper/versions/1/archive", json={"reason": "old"})
    key_id = services.api_keys.create("guest", ["read"]).record.id
    client.delete(f"/v1/keys/{key_id}")

    items = client.get("/v1/audit").json()["items"]
    times = [item["time"] for item in items]
    assert times == sorted(times, reverse=True)
    told = {(item["actor"], item["action"], item["subject"], item["reason"]) for item in items}
    assert told >= {
        ("tester", "submitted: meta-training", job_id, ""),
        ("tester", "made it cancelled", job_id, ""),
        ("tester", "set champion", "hyper@1", "better on table1"),
        ("tester", "removed the alias champion", "hyper@1", "worse on mine"),
        ("tester", "archived", "hyper@1", "old"),
        ("tester", "key revoked", f"key ha_{key_id} of guest", ""),
    }
    assert len(client.get("/v1/audit", params={"limit": 2}).json()["items"]) == 2


def test_only_admins_see_the_audit(client: TestClient, services: Container) -> None:
    key = services.api_keys.create("submitter", ["submit"]).key
    headers = {"Authorization": f"Bearer {key}"}
    assert client.get("/v1/audit", headers=headers).status_code == 403
    assert client.get("/v1/system", headers=headers).status_code == 200
