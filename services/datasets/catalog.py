"""Which data this service has: registered datasets from the job store, built-in ones told from the
files in the data folder, without reading them.

Where trainers run on other machines, whose folder this process does not see, nothing is known of
built-in ones, and none is refused: the trainer says what is missing.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from meta_trainer.datasets.catalog import CARDS, FORMS, DatasetCard, Form
from meta_trainer.tasks.needs import list_datasets
from meta_trainer.tasks.sizes import Forms
from services.auth.scopes import Principal
from services.database.base import Database
from services.datasets.schemas import DatasetAnswer, DatasetList, RegisteredAnswer
from services.datasets.tables import RegisteredDataset
from services.jobs.specs import AnyJobSpec
from services.problems import FieldError, invalid_fields
from services.settings import Settings


def list_data(settings: Settings, database: Database, principal: Principal) -> DatasetList:
    """All datasets that specs of the principal may name, the built-in ones first."""
    with database.read() as session:
        every = session.scalars(select(RegisteredDataset).order_by(RegisteredDataset.name))
        registered = [row for row in every if principal.sees(row.project)]
    built_in = [_describe(card, settings) for card in CARDS.values()]
    return DatasetList(items=built_in + [describe_registered(row) for row in registered])


def describe_registered(row: RegisteredDataset) -> DatasetAnswer:
    """A registered dataset on the wire."""
    form = read_form(row)
    return DatasetAnswer(
        name=row.name,
        title=row.title,
        available=True,
        how_to_get=None,
        shape=list(form.image_shape[2:] if form.is_vector else form.image_shape),
        targets=form.targets,
        n_classes=form.n_outputs,
        n_examples=row.form["n_examples"],
        registered=RegisteredAnswer(
            sha256=row.sha256,
            n_bytes=row.n_bytes,
            project=row.project,
            owner=row.owner,
            created_at=row.created_at,
            used_at=row.used_at,
        ),
    )


def describe_built_in(name: str, settings: Settings) -> DatasetAnswer | None:
    """A built-in dataset on the wire; None: there is none of that name."""
    return _describe(CARDS[name], settings) if name in CARDS else None


def read_forms(session: Session) -> Forms:
    """What examples look like, by what stored specs call each dataset."""
    rows = session.scalars(select(RegisteredDataset))
    return {**FORMS, **{row.reference: read_form(row) for row in rows}}


def read_form(row: RegisteredDataset) -> Form:
    """What the examples of a registered dataset look like."""
    channels, height, width = row.form["image_shape"]
    return Form((channels, height, width), row.form["n_outputs"], row.form["targets"])


def check_data(spec: AnyJobSpec, settings: Settings) -> None:
    """The built-in data that a job reads is there, as far as this process can see.

    Raises:
        Problem: 422 naming the field that wants it, with how to get it.
    """
    if not _sees_data(settings):
        return
    errors = []
    for name, field in list_datasets(spec).items():
        card = CARDS.get(name)
        missing = None if card is None else card.describe_missing(Path(settings.data_dir))
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
