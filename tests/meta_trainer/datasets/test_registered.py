"""Registered datasets: what is read is what was written, and no file of a stranger does harm."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_trainer.datasets import DatasetMissing
from meta_trainer.datasets.array_files import DatasetProblem, read_arrays
from meta_trainer.datasets.examples import MAX_CLASSES, read_datasets
from meta_trainer.datasets.registered import drop_file, keep_file, load_registered
from registry import RegistryError
from registry.memory import InMemoryRegistry
from tests.meta_trainer.datasets.own_files import (
    Arrays,
    make_arrays,
    to_npy,
    to_npz,
    to_safetensors,
    to_zip,
)

GOOD = make_arrays(8)
INPUTS = GOOD["inputs"]
LABELS = GOOD["targets"]


def refuse(arrays: Arrays) -> str:
    """What is said of arrays that are no dataset, in either format."""
    messages = set()
    for data in (to_npz(arrays), to_safetensors(arrays)):
        with pytest.raises(DatasetProblem) as caught:
            read_datasets("mine", data, "")
        messages.add(str(caught.value))
    assert len(messages) == 1, messages
    return messages.pop()


@pytest.mark.parametrize("write", [to_npz, to_safetensors])
def test_what_is_read_is_what_was_written(write: object) -> None:
    arrays = make_arrays(40, n_test=6)
    splits = read_datasets("mine", write(arrays), "digest")  # type: ignore[operator]
    assert {split: len(dataset) for split, dataset in splits.items()} == {"train": 40, "test": 6}
    train = splits["train"]
    assert (train.image_shape, train.n_classes, train.fingerprint) == ((1, 1, 6), 3, "digest")
    inputs, targets = train.minibatch(torch.arange(40))
    assert np.array_equal(inputs.numpy(), arrays["inputs"])
    assert np.array_equal(targets.numpy(), arrays["targets"])


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [((4, 5), (1, 1, 5)), ((4, 3, 5), (1, 3, 5)), ((4, 2, 3, 5), (2, 3, 5))],
)
def test_bytes_are_pixels(shape: tuple[int, ...], image_shape: tuple[int, ...]) -> None:
    pixels = np.full(shape, 51, np.uint8)
    labels = np.arange(4, dtype=np.int8) % 2
    train = read_datasets("mine", to_npz({"inputs": pixels, "targets": labels}), "")["train"]
    assert train.image_shape == image_shape
    assert train.minibatch(torch.tensor([0]))[0].unique().tolist() == pytest.approx([0.2])


@pytest.mark.parametrize("shape", [(8,), (8, 1), (8, 3)])
def test_numbers_are_to_be_predicted(shape: tuple[int, ...]) -> None:
    numbers = np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    train = read_datasets("mine", to_npz({"inputs": INPUTS, "targets": numbers}), "")["train"]
    assert (train.targets, train.n_classes) == ("numbers", (*shape, 1)[1])
    drawn = train.minibatch(torch.arange(8), torch.float64)[1]
    assert drawn.dtype == torch.float64
    assert np.allclose(drawn.numpy().reshape(shape), numbers)


def test_fortran_order_is_read_as_it_was_meant() -> None:
    arrays = {"inputs": np.asfortranarray(INPUTS), "targets": LABELS}
    train = read_datasets("mine", to_npz(arrays), "")["train"]
    assert np.array_equal(train.images.numpy().reshape(8, 6), INPUTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": INPUTS.astype(np.float64)}, None),
        ({"inputs": INPUTS.astype(np.int64)}, "inputs must be uint8 or float32, got int64"),
        ({"inputs": INPUTS[:, 0]}, "inputs must have the shape (n, features)"),
        ({"inputs": INPUTS[:1], "targets": LABELS[:1]}, "inputs must have 2 to"),
        ({"inputs": np.zeros((8, 70_000), np.uint8)}, "1 to 65,536 numbers an example"),
        ({"inputs": INPUTS[:7]}, "inputs and targets must be as many, got 7 and 8"),
        ({"inputs": np.where(INPUTS > 0, np.nan, INPUTS)}, "NaN or infinite"),
        ({"targets": LABELS - 1}, "targets must be labels from 0 to 1, got -1"),
        ({"targets": LABELS * MAX_CLASSES}, "labels of 2 to 1,000 classes"),
        ({"targets": LABELS * 0}, "labels of 2 to 1,000 classes"),
        ({"targets": LABELS[:, None]}, "targets must be (n,) where they are labels"),
        ({"targets": LABELS == 1}, None),
        ({"targets": np.full(8, np.inf, np.float32)}, "targets must be finite"),
        ({"targets": np.zeros((8, 65), np.float32)}, "targets must be 1 to 64 an example"),
        ({"test_inputs": INPUTS}, "test_inputs and test_targets must be given together"),
        ({"test_inputs": INPUTS, "test_targets": LABELS + 9}, "labels from 0 to 2, got 11"),
        ({"test_inputs": INPUTS[:, :5], "test_targets": LABELS}, "the shape of inputs"),
        ({"weights": INPUTS}, "may hold the arrays inputs, targets"),
    ],
)
def test_what_is_no_dataset_is_refused(changes: Arrays, message: str | None) -> None:
    arrays = {**GOOD, **changes}
    if message is None:  # the two formats call types by other names
        for data in (to_npz(arrays), to_safetensors(arrays)):
            with pytest.raises(DatasetProblem, match="must be"):
                read_datasets("mine", data, "")
    else:
        assert message in refuse(arrays)


def test_an_array_is_missing() -> None:
    assert refuse({"inputs": INPUTS}) == "a dataset must hold the array targets"


class Exploding:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"inputs.npy": to_npy(np.array([Exploding()], object))}, "plain numbers"),
        ({"inputs.npy": to_npy(np.array([Exploding()], object))[64:]}, "as numpy writes it"),
        ({"../inputs.npy": b""}, "may hold the arrays"),
        ({"/etc/inputs.npy": b""}, "may hold the arrays"),
        ({"inputs.npy": to_npy(INPUTS)[:-4]}, "another size"),
        ({"inputs.npy": to_npy(INPUTS) + b"more"}, "another size"),
        ({"inputs.npy": to_npy(np.zeros(8, "M8[s]"))}, "plain numbers"),
    ],
)
def test_archives_of_strangers_are_refused(members: dict[str, bytes], message: str) -> None:
    whole = {"targets.npy": to_npy(LABELS), **members}
    with pytest.raises(DatasetProblem, match=message):
        read_datasets("mine", to_zip(whole), "")


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meta_trainer.datasets.array_files.MAX_DECODED_BYTES", 2**20)
    bomb = to_zip({"inputs.npy": bytes(2**22), "targets.npy": to_npy(LABELS)})
    assert len(bomb) < 2**13
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(DatasetProblem, match="at most 1,048,576 bytes unpacked, got 4,"):
        read_arrays(bomb)


def test_a_header_may_not_promise_more_than_is_there() -> None:
    for shape in (b"(8, 66), }", b"(8,), }   ", b"(9999999), }"[:10], b"(2, 9**9)}"):
        data = to_npy(INPUTS).replace(b"(8, 6), } ", shape)
        with pytest.raises(DatasetProblem, match=r"another size|as numpy writes it"):
            read_arrays(to_zip({"inputs.npy": data, "targets.npy": to_npy(LABELS)}))


def test_a_packing_of_another_kind_is_refused() -> None:
    data = to_zip({"inputs.npy": to_npy(INPUTS), "targets.npy": to_npy(LABELS)}, zipfile.ZIP_BZIP2)
    with pytest.raises(DatasetProblem, match="stored or deflated"):
        read_arrays(data)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([to_npz(GOOD), to_npz(GOOD, packed=False), to_safetensors(GOOD)]), st.data())
def test_damaged_files_are_refused_or_read(good: bytes, data: st.DataObject) -> None:
    """Bytes that are changed, cut off or added are a dataset or a problem, and nothing else."""
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(damaged)))
    try:
        splits = read_datasets("mine", bytes(damaged[:end]) + data.draw(st.binary(max_size=9)), "")
    except DatasetProblem:
        return
    inputs, _ = splits["train"].minibatch(torch.arange(2))
    assert inputs.isfinite().all()


def test_a_file_is_fetched_once_and_checked_each_time(tmp_path: Path) -> None:
    registry = InMemoryRegistry()
    data = to_npz(GOOD)
    sha256 = hashlib.sha256(data).hexdigest()
    reference = f"mine@{sha256}"
    with pytest.raises(DatasetMissing, match="hyperadam datasets register mine FILE"):
        load_registered(reference, tmp_path, registry)

    keep_file(registry, sha256, lambda: data)
    keep_file(registry, sha256, lambda: pytest.fail("it is there"))
    assert len(load_registered(reference, tmp_path, registry)) == 8
    assert len(load_registered(reference, tmp_path, None)) == 8  # from this machine
    kept = tmp_path / "registered" / sha256
    kept.write_bytes(data[:-1])
    assert len(load_registered(reference, tmp_path, registry)) == 8
    assert kept.read_bytes() == data  # it was fetched again

    drop_file(registry, sha256)
    drop_file(registry, sha256)
    assert len(load_registered(reference, tmp_path, registry)) == 8
    with pytest.raises(DatasetMissing):
        load_registered(reference, None, registry)


def test_a_damaged_store_is_not_trained_on() -> None:
    registry = InMemoryRegistry()
    data = to_npz(GOOD)
    sha256 = hashlib.sha256(data).hexdigest()
    keep_file(registry, sha256, lambda: data[:-1])
    with pytest.raises(RegistryError, match="damaged"):
        load_registered(f"mine@{sha256}", None, registry)


def test_a_name_without_a_digest_is_told_of() -> None:
    with pytest.raises(ValueError, match="named with its digest"):
        load_registered("mine", None, None)
