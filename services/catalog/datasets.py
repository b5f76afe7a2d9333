"""Which data this service has, told from the files in its data folder, without reading them.

Where trainers run on other machines, whose folder this process does not see, nothing is known, and
nothing is refused: the trainer says what is missing.
"""

from __future__ import annotations

from pathlib import Path

from meta_trainer.datasets.catalog import CARDS, DatasetCard
from meta_trainer.tasks.needs import list_datasets
from services.catalog.schemas import DatasetAnswer, DatasetList
from services.jobs.specs import AnyJobSpec
from services.problems import FieldError, invalid_fields
from services.settings import Settings


def list_data(settings: Settings) -> DatasetList:
    """All datasets that specs may name."""
    return DatasetList(items=[_describe(card, settings) for card in CARDS.values()])


def check_data(spec: AnyJobSpec, settings: Settings) -> None:
    """The data that a job reads is there, as far as this process can see.

    Raises:
        Problem: 422 naming the field that wants it, with how to get it.
    """
    if not _sees_data(settings):
        return
    errors = []
    for name, field in list_datasets(spec).items():
        missing = CARDS[name].describe_missing(Path(settings.data_dir))
        if missing is not None:
            errors.append(FieldError(f"spec.{field}", missing))
    if errors:
        raise invalid_fields(errors)


def _describe(card: DatasetCard, settings: Settings) -> DatasetAnswer:
    missing = card.describe_missing(Path(settings.data_dir))
    is_known = missing is None or _sees_data(settings)
    return DatasetAnswer(
        name=card.name,
        title=card.title,
        available=missing is None if is_known else None,
        how_to_get=missing,
        shape=list(card.image_shape),
        n_classes=card.n_classes,
        n_examples=dict(card.n_examples),
    )


def _sees_data(settings: Settings) -> bool:
    """Whether trainers have the data folder of this process: they run here, or it is mounted."""
    runs_here = settings.executor == "process" or not settings.ray_address
    return runs_here or Path(settings.data_dir).is_dir()
