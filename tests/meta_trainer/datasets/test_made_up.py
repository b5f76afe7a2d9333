"""Data that is made up for the suite `field`: drawn as it is defined, row by row."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from meta_trainer.datasets import Characters, Data, MaskedCharacters, TableRows
from meta_trainer.datasets.characters import MASK, N_CHARACTERS, NO_TARGET, make_text
from meta_trainer.datasets.points import CollocationPoints
from meta_trainer.datasets.ratings import Ratings
from meta_trainer.datasets.views import PairedViews
from meta_trainer.seeds import make_generator

ALL: dict[str, Data] = {
    "5df6d5a4": TableRows(target="class"),
    "f982c3a8": TableRows(target="number", mean=50.0, std=5.0),
    "91dcd7f5": Characters(),
    "2be0ab70": MaskedCharacters(),
    "66204545": PairedViews(),
    "754d0e7c": Ratings(),
    "99597fc5": CollocationPoints(),
}
"""By the beginning of its fingerprint, which reports of evaluations name."""


def draw(data: Data, *indices: int, batch_size: int = 4) -> tuple[Tensor, Tensor]:
    return data.draw([make_generator(0, "made-up", i) for i in indices], batch_size)


@pytest.mark.parametrize(("fingerprint", "data"), ALL.items())
def test_each_row_is_of_its_own_generator(fingerprint: str, data: Data) -> None:
    inputs, targets = draw(data, 0, 1)
    assert inputs.shape[:2] == targets.shape[:2] == (2, 4)
    assert not torch.equal(inputs[0], inputs[1])
    again, targets_again = draw(data, 1)
    torch.testing.assert_close(inputs[1:], again)
    torch.testing.assert_close(targets[1:], targets_again)
    assert data.fingerprint.startswith(fingerprint)


def test_other_seeds_and_shapes_have_other_fingerprints() -> None:
    others = [TableRows(target="class", seed=1), Ratings(seed=1), Ratings(n_each=10)]
    found = {data.fingerprint for data in [*ALL.values(), *others]}
    assert len(found) == len(ALL) + len(others)


def test_a_fingerprint_is_the_same_on_a_cpu_with_other_instructions() -> None:
    """Sums of other instructions differ in the last bit."""
    script = "from test_made_up import ALL; print(*(data.fingerprint for data in ALL.values()))"
    told = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent,
        env={
            **os.environ,
            "ATEN_CPU_CAPABILITY": "default",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.split() == [data.fingerprint for data in ALL.values()]


def test_features_have_variance_one_and_all_classes_occur() -> None:
    features, classes = draw(TableRows(target="class"), 0, batch_size=4000)
    torch.testing.assert_close(features.std(1), torch.ones(1, 32), rtol=0.1, atol=0)
    assert len(classes.unique()) == 10


def test_numbers_lie_where_they_should() -> None:
    _, numbers = draw(TableRows(target="number", mean=50.0, std=5.0), 0, batch_size=4000)
    assert abs(float(numbers.mean()) - 50) < 5
    assert 1 < float(numbers.std()) < 10


def test_targets_follow_their_characters() -> None:
    characters, targets = draw(Characters(), 0)
    assert torch.equal(characters[..., 1:], targets[..., :-1])
    assert torch.equal(make_text(0).unique(), torch.arange(N_CHARACTERS))
    assert not torch.equal(make_text(0), make_text(1))


def test_what_is_hidden_is_asked_for_and_nothing_else() -> None:
    characters, targets = draw(MaskedCharacters(), 0, batch_size=200)
    is_hidden = characters == MASK
    assert torch.equal(is_hidden, targets != NO_TARGET)
    assert bool(is_hidden[..., 0].all())
    assert float(is_hidden[..., 1:].float().mean()) == pytest.approx(0.15, abs=0.02)


def test_item_1_is_met_a_hundred_times_as_often_as_item_100() -> None:
    pairs, _ = draw(Ratings(), 0, batch_size=50_000)
    counts = pairs.flatten().bincount(minlength=1000)
    assert float(counts[0] / counts[90:110].float().mean()) == pytest.approx(100, rel=0.15)


def test_points_lie_in_the_domain() -> None:
    points, _ = draw(CollocationPoints(), 0, batch_size=1000)
    assert bool((points.amin((0, 1)) >= torch.tensor([0.0, -1.0])).all())
    assert bool((points.amax((0, 1)) <= 1).all())
    assert float(points[..., 1].mean()) == pytest.approx(0, abs=0.1)
