"""The networks of the suite `field`: each is whole, starts as its name promises, and sees what it
should."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from torch import nn

from meta_trainer.datasets import Characters
from meta_trainer.datasets.characters import N_CHARACTERS
from meta_trainer.datasets.language import N_SYMBOLS
from meta_trainer.learners.field.burgers import VISCOSITY, BurgersNetwork
from meta_trainer.learners.field.experts import Experts
from meta_trainer.learners.field.lora import make_adapted_model
from meta_trainer.learners.field.recommender import Recommender
from meta_trainer.learners.field.recurrent import RecurrentLanguageModel
from meta_trainer.learners.field.residual import BasicBlock, ResNet, make_group_norm
from meta_trainer.learners.field.transformers import GPT2, MaskedLanguageModel, VisionTransformer
from meta_trainer.learners.module import ModuleLearner
from meta_trainer.seeds import make_generator
from meta_trainer.specs import FieldImageTaskSpec, FieldTaskSpec
from meta_trainer.specs.field_tasks import FieldImageNetwork, FieldNetwork
from meta_trainer.specs.suites import SUITES
from meta_trainer.tasks import build_optimizee, load_data

NETWORKS: list[str] = [*get_args(FieldImageNetwork), *get_args(FieldNetwork)]
PIXELS = (1, 28, 28)


def make_problem(name: str) -> Any:
    if name in get_args(FieldImageNetwork):
        spec: Any = FieldImageTaskSpec.model_validate({"network": name, "batch_size": 5})
    else:
        spec = FieldTaskSpec.model_validate({"network": name, "batch_size": 5})
    return build_optimizee(spec, load_data([spec], None), 0, "test-field", [(0,)])


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name == "lora" else name for name in NETWORKS],
)
def test_every_parameter_counts_and_slopes_are_true(name: str) -> None:
    """A little off the start, where some are not 0 that begin there."""
    problem = make_problem(name)
    start = problem.start()
    assert torch.equal(problem.start(), start)
    w = start + 0.02 * torch.randn(start.shape, generator=make_generator(0, "off"))
    loss, gradient = problem.losses_and_gradients(w, 3)
    assert bool(loss.isfinite().all())
    for part in problem.learner.state_dict(gradient[0]).values():
        assert part.abs().max() > 0

    direction = gradient / gradient.norm()
    step = 1e-3 * w.norm()
    ahead = problem.losses(w + step * direction, 3)
    behind = problem.losses(w - step * direction, 3)
    slope = (ahead - behind) / (2 * step)
    torch.testing.assert_close(slope, gradient.norm(dim=1), rtol=0.1, atol=0)


def test_there_are_networks_of_all_kinds() -> None:
    learners = SUITES["field"].learners
    assert list(learners) == NETWORKS
    assert len(learners) >= 16
    long = SUITES["field"].tasks(dataset="mnist5k", horizon=2000, quick=False)
    assert [task.name for task in long[:2]] == ["mlp-7-300", "mlp-7-2000"]
    short = SUITES["field"].tasks(dataset="mnist5k", horizon=300, quick=False)
    assert [task.horizon for task in short] == [300] * len(learners)


@pytest.mark.slow
def test_sizes() -> None:
    sizes = {name: make_problem(name).learner.n_coordinates for name in NETWORKS}
    assert min(sizes.values()) == sizes["mlp-16"] == 817
    assert max(sizes.values()) == sizes["vae"] == 104_368


def test_gpt_2_starts_as_its_recipe_says_and_is_tied() -> None:
    torch.manual_seed(0)
    model = GPT2()
    weights = {name: p.detach() for name, p in model.named_parameters() if p.ndim > 1}
    for name, weight in weights.items():
        is_projection = name.endswith(("proj.weight", "contract.weight"))
        std = 0.02 / math.sqrt(4) if is_projection else 0.02
        assert float(weight.std()) == pytest.approx(std, rel=0.1), name
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    assert all(bool((bias == 0).all()) for bias in biases)
    n_symbols = [len(weight) for weight in weights.values()].count(N_CHARACTERS)
    assert n_symbols == 1


def test_gpt_2_does_not_see_what_is_to_come_and_the_masked_model_does() -> None:
    torch.manual_seed(0)
    (characters,), _ = Characters().draw([make_generator(0, "characters")], 2)
    other = characters.clone()
    other[:, 20] = (other[:, 20] + 1) % N_CHARACTERS
    with torch.no_grad():
        causal = GPT2()
        moved = (causal(characters) - causal(other)).abs().amax((0, 2))
        both_ways = MaskedLanguageModel()
        seen = (both_ways(characters) - both_ways(other)).abs().amax((0, 2))
    assert bool((moved[:20] < 1e-6).all())
    assert bool((moved[20:] > 1e-6).all())
    assert bool((seen > 1e-6).all())


def test_tokens_of_the_vision_transformer_have_three_dimensions() -> None:
    parameters = dict(VisionTransformer(PIXELS, 10).named_parameters())
    assert parameters["cls_token"].shape == (1, 1, 32)
    assert parameters["pos_embed"].shape == (1, 17, 32)
    assert float(parameters["pos_embed"].detach().std()) == pytest.approx(0.02, rel=0.15)
    assert float(parameters["cls_token"].detach().abs().max()) < 1e-5


@pytest.mark.parametrize(
    "embedding",
    [
        RecurrentLanguageModel(nn.LSTM, N_CHARACTERS).embed,
        RecurrentLanguageModel(nn.GRU, N_SYMBOLS).embed,
        Recommender().users,
        Recommender().items,
    ],
)
def test_embeddings_begin_at_variance_one(embedding: nn.Embedding) -> None:
    assert float(embedding.weight.detach().std()) == pytest.approx(1, rel=0.1)


def test_most_rows_of_an_embedding_have_no_gradient() -> None:
    problem = make_problem("rare-embeddings")
    _, gradient = problem.losses_and_gradients(problem.start(), 0)
    users = problem.learner.state_dict(gradient[0])["users.weight"]
    assert 1 <= int((users != 0).any(1).sum()) <= 5


def test_experts_lie_in_stacks() -> None:
    shapes = {name: tuple(p.shape) for name, p in Experts().named_parameters()}
    assert (shapes["expand"], shapes["contract"]) == ((8, 32, 64), (8, 64, 32))


def test_blocks_with_group_norm_begin_as_their_shortcuts() -> None:
    network = ResNet(make_group_norm, True, PIXELS, 10)
    lasts = [block.norm2 for block in network.blocks if isinstance(block, BasicBlock)]
    assert all(float(last.weight.detach().abs().max()) == 0 for last in lasts)  # type: ignore[union-attr]


@pytest.mark.slow
def test_adapters_begin_as_the_frozen_model_and_are_all_that_is_trained() -> None:
    model = make_adapted_model()
    names = [name for name, _ in model.named_parameters()]
    assert len(names) == 16
    assert all(name.endswith(("lora_a", "lora_b")) for name in names)
    of_others = make_adapted_model().state_dict()
    (characters,), (targets,) = Characters().draw([make_generator(0, "characters")], 16)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(model(characters).flatten(0, 1), targets.flatten())
    assert float(loss) < 1.4  # of log 17 = 2.8
    assert all(torch.equal(of_others[name], value) for name, value in model.named_buffers())


def test_the_residual_is_that_of_burgers_equation() -> None:
    torch.manual_seed(0)
    network = BurgersNetwork().double()
    points = torch.rand(6, 2, dtype=torch.float64)
    with torch.no_grad():
        missing = network(points)
        residual = _residual_by_differences(network, points)
        begin = network.differentiate(points * torch.tensor([0.0, 1.0])).value.squeeze(-1)
    torch.testing.assert_close(missing[0], residual, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(missing[1], begin + torch.sin(math.pi * points[:, 1]))


def _residual_by_differences(network: BurgersNetwork, points: torch.Tensor) -> torch.Tensor:
    h = 1e-4
    in_time = torch.tensor([h, 0.0], dtype=torch.float64)
    in_space = torch.tensor([0.0, h], dtype=torch.float64)

    def u(moved: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = network.differentiate(moved).value.squeeze(-1)
        return values

    by_time = (u(points + in_time) - u(points - in_time)) / (2 * h)
    by_space = (u(points + in_space) - u(points - in_space)) / (2 * h)
    twice = (u(points + in_space) - 2 * u(points) + u(points - in_space)) / h**2
    return by_time + u(points) * by_space - VISCOSITY * twice


def test_what_a_vae_draws_follows_from_its_step() -> None:
    problem = make_problem("vae")
    assert isinstance(problem.learner, ModuleLearner)
    w = problem.start()
    assert torch.equal(problem.losses(w, 1), problem.losses(w, 1))
    assert not torch.equal(problem.losses(w, 1), problem.losses(w, 2))
