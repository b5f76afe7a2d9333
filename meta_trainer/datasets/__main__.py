"""`python -m meta_trainer.datasets download NAME --data-dir DIR`: torchvision's download, asked for
by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meta_trainer.datasets import load
from meta_trainer.datasets.vision import torchvision_datasets

_CLASSES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}

app = typer.Typer(add_completion=False)


@app.callback()
def main() -> None:
    """Datasets of the meta-trainer."""


@app.command()
def download(
    name: Annotated[str, typer.Argument(help=", ".join(_CLASSES))],
    data_dir: Annotated[Path, typer.Option(help="Folder to write below.")],
) -> None:
    """Download a dataset and print its size and fingerprint."""
    if name not in _CLASSES:
        raise typer.BadParameter(f"must be one of {', '.join(_CLASSES)}", param_hint="NAME")
    getattr(torchvision_datasets(), _CLASSES[name])(root=str(data_dir), download=True)
    dataset = load(name, data_dir)
    typer.echo(f"{name}: {len(dataset)} images, sha256 {dataset.fingerprint}")


if __name__ == "__main__":
    app()
