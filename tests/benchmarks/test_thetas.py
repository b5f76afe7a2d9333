"""Optimizers and tasks by what a command line calls them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hyperadam
import pytest
import torch

from benchmarks.thetas import add_tasks_argument, read_spec, read_theta
from meta_trainer.seeds import make_generator
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.initial_theta import make_initial_theta


def read_words(words: Sequence[str]) -> MetaTrainingSpec:
    parser = argparse.ArgumentParser()
    add_tasks_argument(parser)
    return read_spec(parser.parse_args(words))


def test_where_an_optimizer_comes_from(tmp_path: Path) -> None:
    spec = MetaTrainingSpec.model_validate({"preset": "default"})
    untrained = read_theta("untrained", spec)
    assert torch.equal(untrained.vector, make_initial_theta(spec))
    path = tmp_path / "theta.safetensors"
    untrained.save(path)
    assert torch.equal(read_theta(str(path), spec).vector, untrained.vector)
    shipped = read_theta("hyperadam-v2", spec)
    assert torch.equal(shipped.vector, hyperadam.pretrained("hyperadam-v2").vector)


def test_untrained_of_a_job_with_a_parent_is_a_fresh_start_of_its_rule() -> None:
    spec = read_words(["--job-of", "hyperadam-v7"])
    assert spec.parent
    untrained = read_theta("untrained", spec)
    fresh = untrained.rule.init_theta(make_generator(spec.seed, "theta"))
    assert torch.equal(untrained.vector, untrained.rule.pack(fresh).float())
    assert untrained.rate == hyperadam.pretrained("hyperadam-v7").rate


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("hyperadam-v4:length_kept=0.25,length=1.4", "hyperadam-v5"),
        ("hyperadam-v4:length_kept=0.1", "hyperadam-v6"),
        ("hyperadam-v4:length_kept=0.5,warmup_steps=40,decay_after=150", "hyperadam-v7"),
        (
            (
                "hyperadam-v4:length_kept=0.25,length=1.2,warmup_steps=40,decay_after=150,rest=0.2,"
                "sparse_above=0.75"
            ),
            "hyperadam-v8",
        ),
        ("hyperadam-v8:warmup_share=0.1", "hyperadam-v9"),
    ],
)
def test_a_change_is_that_of_the_job_that_made_a_shipped_one(name: str, made: str) -> None:
    """To the bit: their jobs kept the start."""
    changed = read_theta(name, MetaTrainingSpec.model_validate({"preset": "default"}))
    assert torch.equal(changed.vector, hyperadam.pretrained(made).vector)
    assert changed.rate == hyperadam.pretrained(made).rate
    assert changed.rule.spec == hyperadam.pretrained(made).rule.spec


def test_a_rules_limits_may_be_others() -> None:
    name = "hyperadam-v7:sparse_above=0.75,length=2,lr=0.5"
    changed = read_theta(name, MetaTrainingSpec.model_validate({"preset": "default"}))
    own = hyperadam.pretrained("hyperadam-v7")
    assert changed.rule.spec == replace(own.rule.spec, sparse_above=0.75)
    assert changed.rate == replace(own.rate, lr=0.5)
    longer = own.tensors["length.bias"] + torch.tensor(2.0).log()
    torch.testing.assert_close(changed.tensors["length.bias"], longer)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hyperadam-v4:lenght=1.2", "lenght"),
        ("hyperadam-v4:length=long", "long"),
        ("hyperadam-v4:length_kept=2", "length_kept"),
        ("hyperadam-v4:warmup_steps=0.5", "warmup_steps"),
        ("hyperadam-v4:decay_after=-1", "decay_after"),
        ("hyperadam-v1:length=1.2", "hyperadam-tensor"),
        ("hyperadam-v7:sparse_above=2", "sparse_above"),
        ("hyperadam-v1:sparse_above=0.5", "sparse_above"),
    ],
)
def test_a_change_that_no_job_takes_is_refused(name: str, said: str) -> None:
    spec = MetaTrainingSpec.model_validate({"preset": "default"})
    with pytest.raises(ValueError, match=said) as refused:
        read_theta(name, spec)
    assert str(refused.value).startswith(name.partition(":")[0])


def test_a_name_of_a_file_may_have_colons(tmp_path: Path) -> None:
    spec = MetaTrainingSpec.model_validate({"preset": "default"})
    path = tmp_path / "a:b.safetensors"
    hyperadam.pretrained("hyperadam-v4").save(path)
    assert read_theta(str(path), spec).rule.kind == "hyperadam-tensor"
    changed = read_theta(f"{path}:length=2", spec)
    own = hyperadam.pretrained("hyperadam-v4").tensors["length.bias"]
    torch.testing.assert_close(changed.tensors["length.bias"], own + torch.tensor(2.0).log())


def test_tasks_are_of_a_preset_or_of_the_job_that_made_a_theta() -> None:
    of_preset = read_words([])
    of_job = read_words(["--job-of", "hyperadam-v6"])
    assert of_preset.tasks is not None
    assert of_job.tasks is not None
    assert len(of_job.tasks.validation) == 13
    assert of_job.tasks.validation != of_preset.tasks.validation
    with pytest.raises(SystemExit, match="draws no tasks"):
        read_words(["--preset", "paper"])
