"""`client.optimizers` against the real application: versions, weights, aliases, pull."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import hyperadam
import pytest
import torch
from hyperadam.api import AsyncClient, Client, session

from registry import Evaluation
from services.problems.kinds import KINDS
from tests.client.conftest import QUICK, Service, make_theta

pytestmark = pytest.mark.slow


def list_numbers(client: Client, *, limit: int | None = None) -> list[int]:
    """The numbers of hyperadam's versions, as the client lists them."""
    return [version.number for version in client.optimizers.versions("hyperadam", limit=limit)]


def test_versions_and_aliases(service: Service, client: Client) -> None:
    assert list(client.optimizers.list()) == []
    first = service.register(1)
    second = service.register(2)
    service.register(3, name="rnnprop")
    names = [optimizer.name for optimizer in client.optimizers.list()]
    assert names == ["hyperadam", "rnnprop"]

    version = client.optimizers.set_alias("hyperadam", "champion", 1, reason="best so far")
    assert (version.number, version.sha256, version.aliases) == (1, first.sha256, ("champion",))
    client.optimizers.set_alias("hyperadam", "champion", 2)
    optimizer = client.optimizers.get("hyperadam")
    assert optimizer.latest.number == 2
    assert dict(optimizer.aliases) == {"champion": 2}
    assert list_numbers(client) == [2, 1]
    assert list_numbers(client, limit=1) == [2]
    for ref in (2, "2", "latest", "champion"):
        assert client.optimizers.version("hyperadam", ref).sha256 == second.sha256
    assert client.optimizers.version("hyperadam").manifest["provenance"] == {"seed": 2}

    client.optimizers.delete_alias("hyperadam", "champion", reason="withdrawn")
    aliases = client.optimizers.aliases("hyperadam")
    assert aliases.items == ()
    changes = [
        (change.old_version, change.new_version, change.actor, change.reason)
        for change in aliases.history
    ]
    assert changes == [
        (None, 1, "admin-key", "best so far"),
        (1, 2, "admin-key", ""),
        (2, None, "admin-key", "withdrawn"),
    ]


def test_lists_page_by_themselves(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(1, 6):
        service.register(seed)
    defaults = {"limit": None, "page_size": 2}
    monkeypatch.setattr(session.Session.fetch_pages, "__kwdefaults__", defaults)
    assert list_numbers(client) == [5, 4, 3, 2, 1]
    assert list_numbers(client, limit=3) == [5, 4, 3]


def test_weights_and_pull(service: Service, client: Client) -> None:
    service.register(1)
    theta = make_theta(1)
    assert client.optimizers.weights("hyperadam", 1) == theta.to_bytes()
    pulled = client.optimizers.pull("hyperadam@latest")
    assert pulled.sha256 == theta.sha256
    assert torch.equal(pulled.vector, theta.vector)
    assert client.optimizers.cached_file(theta.sha256).read_bytes() == theta.to_bytes()
    assert hyperadam.pull("hyperadam@1").sha256 == theta.sha256


def test_search_and_notes(service: Service, client: Client) -> None:
    service.register(1)
    service.register(2)
    version = client.optimizers.annotate(
        "hyperadam", "latest", description="best", tags={"env": "prod", "old": None}
    )
    assert version.number == 2
    assert version.description == "best"
    assert dict(version.tags) == {"env": "prod"}
    assert version.lineage is not None
    assert version.lineage.source == "upload"

    versions = client.optimizers.versions("hyperadam", tags=["env:prod"], rule="hyperadam")
    assert [str(version) for version in versions] == ["hyperadam@2"]
    assert list(client.optimizers.versions("hyperadam", metrics=["validation_loss<=0.3"])) == []
    optimizers = client.optimizers.list(tags=["env"])
    assert [optimizer.name for optimizer in optimizers] == ["hyperadam"]
    with pytest.raises(hyperadam.ValidationFailed) as caught:
        list(client.optimizers.list(metrics=["loss"]))
    assert caught.value.errors[0].field.startswith("metric")


def test_a_comparison_has_the_evaluations_of_both(service: Service, client: Client) -> None:
    service.register(1)
    service.register(2)
    attached = Evaluation(
        key="job_e",
        evaluated_at=datetime(2026, 1, 2, tzinfo=UTC),
        summary={"settings": {"suite": "table1"}, "tasks": {"relu": {"mean": 0.25}}},
    )
    service.container.registry.attach_evaluation("hyperadam", 2, attached)
    comparison = client.optimizers.compare("hyperadam@1", "hyperadam@latest")
    assert (str(comparison.left), str(comparison.right)) == ("hyperadam@1", "hyperadam@2")
    (evaluation,) = comparison.evaluations
    assert (evaluation.left_job_id, evaluation.right_job_id) == (None, "job_e")
    assert evaluation.tasks[0].right == {"mean": 0.25}
    assert comparison.metrics == ()
    (summary,) = [evaluation.summary for evaluation in comparison.right.evaluations]
    assert summary["tasks"] == {"relu": {"mean": 0.25}}


def test_a_protected_alias(service: Service, client: Client) -> None:
    service.register(1)
    service.register(2)
    client.optimizers.set_alias("hyperadam", "champion", 1, protected=True)
    with pytest.raises(hyperadam.Conflict, match="protected"):
        client.optimizers.set_alias("hyperadam", "champion", 2)
    with pytest.raises(hyperadam.Conflict, match="protected"):
        client.optimizers.delete_alias("hyperadam", "champion")
    (alias,) = client.optimizers.aliases("hyperadam").items
    assert alias.protected
    client.optimizers.set_alias("hyperadam", "champion", 2, protected=False)
    history = client.optimizers.aliases("hyperadam").history
    assert [change.protected for change in history] == [True, False]


def test_push(client: Client) -> None:
    theta = make_theta(1)
    version = client.optimizers.push("mine", theta)
    assert (str(version), version.sha256, version.job_id) == ("mine@1", theta.sha256, None)
    assert client.optimizers.push("mine", theta).number == 1
    assert client.optimizers.push("mine", make_theta(2)).number == 2


def test_keys(service: Service, client: Client) -> None:
    assert client.keys.current().name == "admin-key"
    assert client.keys.current().scopes[-1:] == ("admin",)
    new = client.keys.create("notebook", ["submit"])
    assert new.key not in repr(new)
    assert new.id in [key.id for key in client.keys.list()]
    with Client(service.url, new.key, retry=QUICK) as notebook:
        assert notebook.keys.current().name == "notebook"
        with pytest.raises(hyperadam.Forbidden):
            notebook.keys.create("another")
        client.keys.revoke(new.id)
        with pytest.raises(hyperadam.Unauthorized):
            notebook.keys.current()


def test_a_pulled_theta_trains_a_network(service: Service, client: Client) -> None:
    service.register(1)
    model = torch.nn.Linear(3, 1)
    before = model.weight.detach().clone()
    optimizer = hyperadam.HyperAdam(model.parameters(), theta=client.optimizers.pull("hyperadam"))
    model(torch.ones(2, 3)).square().mean().backward()
    optimizer.step()
    assert not torch.equal(model.weight, before)


def test_a_pinned_version_outlives_its_server(service: Service, client: Client) -> None:
    service.register(1)
    client.optimizers.pull("hyperadam@1")
    service.stop()
    assert client.optimizers.pull("hyperadam@1").sha256 == make_theta(1).sha256
    for reference in ("hyperadam@latest", "hyperadam@2"):
        with pytest.raises(hyperadam.ServerUnreachable):
            client.optimizers.pull(reference)


def test_what_does_not_exist_is_not_found(service: Service, client: Client) -> None:
    service.register(1)
    calls = [
        lambda: client.optimizers.get("other"),
        lambda: client.optimizers.version("hyperadam", 7),
        lambda: client.optimizers.version("hyperadam", "champion"),
        lambda: client.optimizers.weights("hyperadam", 7),
        lambda: client.optimizers.pull("other@latest"),
        lambda: client.optimizers.aliases("other"),
        lambda: client.optimizers.set_alias("hyperadam", "champion", 7),
        lambda: client.optimizers.delete_alias("hyperadam", "champion"),
        lambda: next(client.optimizers.versions("other")),
    ]
    for call in calls:
        with pytest.raises(hyperadam.NotFound):
            call()


def test_bad_aliases_are_refused(service: Service, client: Client) -> None:
    service.register(1)
    for alias in ("latest", "3", "Not A Name"):
        with pytest.raises(hyperadam.ValidationFailed):
            client.optimizers.set_alias("hyperadam", alias, 1)
    with service.client("submit") as submitter, pytest.raises(hyperadam.Forbidden):
        submitter.optimizers.set_alias("hyperadam", "champion", 1)


def test_the_asynchronous_client_does_the_same(service: Service) -> None:
    service.register(1)

    async def scenario() -> None:
        async with AsyncClient(service.url, service.keys["admin"], retry=QUICK) as client:
            theta = await client.optimizers.pull("hyperadam@latest")
            assert theta.sha256 == make_theta(1).sha256
            await client.optimizers.set_alias("hyperadam", "champion", 1)
            aliases = await client.optimizers.aliases("hyperadam")
            assert [alias.alias for alias in aliases.items] == ["champion"]
            versions = client.optimizers.versions("hyperadam")
            assert [version.number async for version in versions] == [1]

    asyncio.run(scenario())


def test_every_problem_of_the_server_is_an_exception_of_the_client() -> None:
    from hyperadam.api.errors import PROBLEMS

    assert {kind.name for kind in KINDS} == set(PROBLEMS)
