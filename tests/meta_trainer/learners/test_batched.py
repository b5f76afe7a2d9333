"""Networks as products over learners give what torch's own modules give, and have their second
derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from meta_trainer.datasets.characters import NO_TARGET
from meta_trainer.learners.batched import Sizes, batched_network
from meta_trainer.learners.batched.networks import NETWORKS
from meta_trainer.learners.module import ModuleLearner

N_LEARNERS, BATCH, SIDE, WIDTH = 2, 3, 7, 4
IMAGES = Sizes((1, SIDE, SIDE), 10, WIDTH, "tanh")
CAUSAL = ("language", "tied-language", "text")
OTHERS = {
    "language": Sizes((1, 6, 1), 5, WIDTH),
    "tied-language": Sizes((1, 6, 1), 5, WIDTH),
    "text": Sizes((1, 6, 1), 5, WIDTH, depth=2),
    "masked-text": Sizes((1, 6, 1), 5, WIDTH, depth=2),
    "regression": Sizes((1, 1, 8), 1, WIDTH, "tanh"),
    "recommender": Sizes((1, 1, 7), 1, WIDTH, "tanh"),
}


class Recurrent(nn.Module):
    """torch's own recurrent layer over rows."""

    def __init__(self, kind: type[nn.GRU] | type[nn.LSTM]) -> None:
        super().__init__()
        self.layer = kind(SIDE, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, images: Tensor) -> Tensor:
        outputs, _ = self.layer(images.view(-1, SIDE, SIDE))
        logits: Tensor = self.head(outputs[:, -1])
        return logits


class Attention(nn.Module):
    """torch's own layer of a transformer over rows."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(SIDE, WIDTH)
        self.places = nn.Parameter(torch.zeros(1, SIDE, WIDTH))
        self.layer = nn.TransformerEncoderLayer(
            WIDTH, 4, 2 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(images.view(-1, SIDE, SIDE)) + self.places
        logits: Tensor = self.head(self.norm(self.layer(x)).mean(1))
        return logits


class TextModel(nn.Module):
    """torch's own layers of a causal transformer over symbols, under GPT-2's head."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        n_places = sizes.image_shape[1]
        self.embed = nn.Embedding(sizes.n_outputs, WIDTH)
        self.places = nn.Parameter(torch.zeros(n_places, WIDTH))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                WIDTH, 4, 2 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(sizes.depth)
        )
        self.norm = nn.LayerNorm(WIDTH)
        self.mask = torch.full((n_places, n_places), -torch.inf, dtype=torch.float64).triu(1)

    def forward(self, symbols: Tensor) -> Tensor:
        x = self.embed(symbols) + self.places
        for layer in self.layers:
            x = layer(x, src_mask=self.mask)
        return nn.functional.linear(self.norm(x), self.embed.weight)


class MaskedModel(nn.Module):
    """torch's own layers of a transformer with norms behind their parts, over symbols or a mask."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.embed = nn.Embedding(sizes.n_outputs + 1, WIDTH)
        self.places = nn.Parameter(torch.zeros(sizes.image_shape[1], WIDTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, 0.0, "gelu", batch_first=True)
            for _ in range(sizes.depth)
        )
        self.head = nn.Linear(WIDTH, sizes.n_outputs)

    def forward(self, symbols: Tensor) -> Tensor:
        x = self.norm(self.embed(symbols) + self.places)
        for layer in self.layers:
            x = layer(x)
        logits: Tensor = self.head(x)
        return logits


class Recommender(nn.Module):
    """torch's own embeddings and layers."""

    def __init__(self, n_each: int) -> None:
        super().__init__()
        self.users = nn.Embedding(n_each, WIDTH)
        self.items = nn.Embedding(n_each, WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(2 * WIDTH, 2 * WIDTH), nn.Tanh(), nn.Linear(2 * WIDTH, 1)
        )

    def forward(self, pairs: Tensor) -> Tensor:
        users = self.users(pairs[..., 0])
        items = self.items(pairs[..., 1])
        ratings: Tensor = self.mlp(torch.cat([users, items], dim=-1)).squeeze(-1)
        return ratings


def make_convolutions(*, normed: bool) -> nn.Module:
    norms = [nn.GroupNorm(4, WIDTH) if normed else nn.Identity() for _ in range(2)]
    pool = [nn.AdaptiveAvgPool2d(1)] if normed else []
    return nn.Sequential(
        nn.Unflatten(1, (1, SIDE, SIDE)),
        nn.Conv2d(1, WIDTH, 3, 2, padding=1),
        norms[0],
        nn.Tanh(),
        nn.Conv2d(WIDTH, WIDTH, 3, 2, padding=1),
        norms[1],
        nn.Tanh(),
        *pool,
        nn.Flatten(),
        nn.Linear(WIDTH if normed else 4 * WIDTH, 10),
    )


MODULES = {
    "cnn": lambda: make_convolutions(normed=False),
    "cnn-norm": lambda: make_convolutions(normed=True),
    "gru": lambda: Recurrent(nn.GRU),
    "lstm": lambda: Recurrent(nn.LSTM),
    "attention": Attention,
}
ORDER = {
    "gru": ("layer.weight_ih_l0", "layer.bias_ih_l0", "layer.weight_hh_l0", "layer.bias_hh_l0"),
    "lstm": ("layer.weight_ih_l0", "layer.bias_ih_l0", "layer.weight_hh_l0", "layer.bias_hh_l0"),
    "attention": (
        "embed.weight",
        "embed.bias",
        "places",
        "layer.norm1.weight",
        "layer.norm1.bias",
        "layer.self_attn.in_proj_weight",
        "layer.self_attn.in_proj_bias",
        "layer.self_attn.out_proj.weight",
        "layer.self_attn.out_proj.bias",
        "layer.norm2.weight",
        "layer.norm2.bias",
        "layer.linear1.weight",
        "layer.linear1.bias",
        "layer.linear2.weight",
        "layer.linear2.bias",
        "norm.weight",
        "norm.bias",
    ),
}
"""Theirs in our order; then follows the head. Others have the same."""


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(i) for i in range(N_LEARNERS)]


def hide_half(symbols: Tensor, mask: int) -> tuple[Tensor, Tensor]:
    """Every second one, so that each example is asked for as many."""
    is_hidden = torch.arange(symbols.shape[-1]) % 2 == 0
    return symbols.masked_fill(is_hidden, mask), symbols.masked_fill(~is_hidden, NO_TARGET)


def draw_examples(name: str) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    sizes = OTHERS.get(name, IMAGES)
    if name in (*CAUSAL, "masked-text"):
        symbols = torch.randint(sizes.n_outputs, (N_LEARNERS, BATCH, 7), generator=g)
        if name == "masked-text":
            return hide_half(symbols[..., :-1], mask=sizes.n_outputs)
        return symbols[..., :-1], symbols[..., 1:]
    if name == "recommender":
        pairs = torch.randint(sizes.n_features, (N_LEARNERS, BATCH, 2), generator=g)
        return pairs, pairs.sum(-1).double()
    shape = (N_LEARNERS, BATCH, sizes.n_features)
    inputs = torch.rand(shape, generator=g, dtype=torch.float64)
    if name == "regression":
        return inputs, inputs.sum(-1)
    return inputs, torch.randint(10, (N_LEARNERS, BATCH), generator=g)


def check_is_torchs_own(
    name: str,
    make: Callable[[], nn.Module],
    loss: Callable[[Tensor, Tensor], Tensor],
    names: Sequence[str],
) -> None:
    """Losses at the same weights are those of the module.

    Args:
        names: of the module's parameters, in our order.
    """
    theirs = ModuleLearner(make, loss, together=False)
    ours = batched_network(name, OTHERS.get(name, IMAGES))
    w = ours.start(generators(), 0.5, torch.float64)
    w += 0.1 * torch.randn(w.shape, generator=generators()[0], dtype=torch.float64)

    parts = dict(zip(names, ours.name_parameters(w).values(), strict=True))
    in_their_order = [n for n, _ in make().named_parameters()]
    their_w = torch.cat([parts[n].flatten(1) for n in in_their_order], dim=1)
    assert their_w.shape == (N_LEARNERS, theirs.n_coordinates)

    examples = draw_examples(name)
    torch.testing.assert_close(ours.losses(w, *examples), theirs.losses(their_w, *examples))


@pytest.mark.parametrize("name", MODULES)
def test_is_torchs_own(name: str) -> None:
    names = [*ORDER.get(name, ()), "head.weight", "head.bias"]
    if name not in ORDER:
        names = [n for n, _ in MODULES[name]().named_parameters()]
    check_is_torchs_own(name, MODULES[name], nn.functional.cross_entropy, names)


def cross_entropy_of_all(logits: Tensor, symbols: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits.flatten(0, -2), symbols.flatten())


def test_is_torchs_own_in_two_layers() -> None:
    sizes = OTHERS["text"]
    assert sizes.depth == 2
    of_layer = [name.removeprefix("layer.") for name in ORDER["attention"][3:-2]]
    names = ["embed.weight", "places"]
    for i in range(sizes.depth):
        names += [f"layers.{i}.{name}" for name in of_layer]
    names += ["norm.weight", "norm.bias"]
    check_is_torchs_own("text", partial(TextModel, sizes), cross_entropy_of_all, names)


def test_norms_behind_their_parts_are_torchs_own() -> None:
    sizes = OTHERS["masked-text"]
    assert sizes.depth == 2
    names = ["embed.weight", "places", "norm.weight", "norm.bias"]
    for i in range(sizes.depth):
        parts = ["self_attn.in_proj_", "self_attn.out_proj.", "norm1.", "linear1.", "linear2."]
        for part in [*parts, "norm2."]:
            names += [f"layers.{i}.{part}weight", f"layers.{i}.{part}bias"]
    names += ["head.weight", "head.bias"]
    check_is_torchs_own("masked-text", partial(MaskedModel, sizes), cross_entropy_of_all, names)


def test_only_hidden_symbols_are_asked_for() -> None:
    sizes = OTHERS["masked-text"]
    learner = batched_network("masked-text", sizes, "torch")
    w = learner.start(generators(), 0.5, torch.float64)
    inputs, targets = draw_examples("masked-text")
    fewer = targets.clone()
    fewer[:, 0, 2:] = NO_TARGET  # only the first of the first example is left

    logits = learner.compute_outputs(learner.name_parameters(w), inputs)[:, 0, 0]
    of_first = nn.functional.cross_entropy(logits, targets[:, 0, 0], reduction="none")
    losses = learner.example_losses(w, inputs, fewer)
    torch.testing.assert_close(losses[:, 0], of_first)
    torch.testing.assert_close(losses[:, 1:], learner.example_losses(w, inputs, targets)[:, 1:])


def test_recommender_is_torchs_own() -> None:
    sizes = OTHERS["recommender"]
    make = partial(Recommender, sizes.n_features)
    theirs = ModuleLearner(make, nn.functional.mse_loss, together=False)
    ours = batched_network("recommender", sizes)
    w = ours.start(generators(), 0.5, torch.float64)

    examples = draw_examples("recommender")
    torch.testing.assert_close(ours.losses(w, *examples), theirs.losses(w, *examples))


@pytest.mark.parametrize("name", NETWORKS)
def test_has_second_derivatives_and_learners_apart(name: str) -> None:
    learner = batched_network(name, OTHERS.get(name, IMAGES), "torch")
    examples = draw_examples(name)
    w = learner.start(generators(), 0.1, torch.float64)
    way = torch.randn(w.shape, generator=generators()[1], dtype=torch.float64)
    ahead = learner.losses_and_gradients(w + 1e-6 * way, *examples)[1]
    behind = learner.losses_and_gradients(w - 1e-6 * way, *examples)[1]
    expansion = learner.expand_losses(w, *examples)
    assert torch.equal(expansion.gradients, learner.losses_and_gradients(w, *examples)[1])
    products = expansion.multiply(way)
    torch.testing.assert_close(products, (ahead - behind) / 2e-6, rtol=1e-4, atol=1e-6)

    alone = learner.losses(w[1:], *(part[1:] for part in examples))
    torch.testing.assert_close(learner.losses(w, *examples)[1:], alone)
    assert learner.example_losses(w, *examples).shape == (N_LEARNERS, BATCH)


def test_parts_that_have_a_start_of_their_own() -> None:
    sizes = Sizes((1, 16, 1), 64, 32)
    learner = batched_network("language", sizes, "gpt2")
    parts = learner.name_parameters(learner.start(generators(), 0.1, torch.float32))
    assert float(parts["embed"].std()) == pytest.approx(1, rel=0.05)
    assert float(parts["places"].std()) == pytest.approx(0.02, rel=0.1)
    assert float(parts["layer0.attention.in.weight"].std()) == pytest.approx(0.02, rel=0.05)
    assert parts["norm.weight"].eq(1).all()
    assert not parts["norm.bias"].any()

    tied = batched_network("tied-language", sizes, "gpt2")
    parts = tied.name_parameters(tied.start(generators(), 0.1, torch.float32))
    assert float(parts["embed"].std()) == pytest.approx(0.02, rel=0.05)
    assert "head.weight" not in parts


@pytest.mark.parametrize("name", CAUSAL)
def test_causal_attention_does_not_look_ahead(name: str) -> None:
    learner = batched_network(name, OTHERS[name], "torch")
    w = learner.start(generators(), 0.1, torch.float64)
    symbols, following = draw_examples(name)
    changed = symbols.clone()
    changed[..., -1] = (changed[..., -1] + 1) % 5
    tensors = learner.name_parameters(w)
    before, after = (learner.compute_outputs(tensors, seen) for seen in (symbols, changed))
    assert before.shape == (*following.shape, 5)
    torch.testing.assert_close(before[:, :, :-1], after[:, :, :-1])
    assert not torch.allclose(before[:, :, -1], after[:, :, -1])


def test_an_unknown_one_is_named() -> None:
    with pytest.raises(ValueError, match=r"network must be one of cnn, .* got 'resnet'"):
        batched_network("resnet", IMAGES)
