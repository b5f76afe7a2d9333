"""Use cases about registered datasets.

A dataset never changes: its name stands for one file. Its owner is the name of the API key that
registered it (docs/decisions/0040-names-have-owners.md).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from meta_trainer.datasets.array_files import DatasetProblem
from meta_trainer.datasets.catalog import Form
from meta_trainer.datasets.examples import read_datasets
from meta_trainer.datasets.registered import drop_file, keep_file
from meta_trainer.specs.datasets import BUILT_IN_DATASETS
from registry import Registry, RegistryError
from services.auth.scopes import Principal
from services.container import Container
from services.database.base import Database, now
from services.datasets.catalog import describe_built_in, describe_registered
from services.datasets.pinning import list_pinned
from services.datasets.schemas import DatasetAnswer
from services.datasets.tables import RegisteredDataset
from services.datasets.uploads import Upload
from services.jobs.lifecycle import ENDED, State
from services.jobs.tables import Job
from services.problems import Conflict, Forbidden, NotFound, TooLarge, invalid
from services.projects.opening import check_open
from services.projects.quotas import check_storage


def register(
    services: Container, name: str, title: str, upload: Upload, principal: Principal
) -> tuple[DatasetAnswer, bool]:
    """The dataset, and whether this call made it (False: the very same file has this name
    already).

    Raises:
        Problem: 409 where the name is another file's, 403 where the project has no room, 413 where
            the service has none, 422 naming what is wrong with the file.
    """
    if name in BUILT_IN_DATASETS:
        raise Conflict(f"The dataset {name!r} is built in: take another name.")
    earlier = _find_same(services, name, upload.sha256, principal)
    if earlier is not None:
        keep_file(services.registry, upload.sha256, upload.read)
        return describe_registered(earlier), False
    with services.upload_slots.registering:  # one at a time: it is unpacked whole
        row = _describe_file(name, title, upload, principal)
        try:
            with services.database.write() as session:
                _check_room(services, session, principal, upload.n_bytes)
                services.database.lock(session, upload.sha256)
                session.add(row)
        except IntegrityError:  # another of the same name was faster
            same = _find_same(services, name, upload.sha256, principal)
            if same is None:
                raise
            return describe_registered(same), False
        try:
            keep_file(services.registry, upload.sha256, upload.read)
        except RegistryError:
            _forget(services, name)
            raise
    return describe_registered(row), True


def show(services: Container, name: str) -> DatasetAnswer:
    """A built-in dataset or a registered one.

    Raises:
        NotFound: there is none of that name.
    """
    built_in = describe_built_in(name, services.settings)
    if built_in is not None:
        return built_in
    with services.database.read() as session:
        row = session.get(RegisteredDataset, name)
    if row is None:
        raise _not_found(name)
    return describe_registered(row)


def remove(services: Container, name: str, principal: Principal) -> None:
    """Delete a dataset with its file.

    Raises:
        Problem: 404; 403 where it is another's; 409 while a job that has not ended needs it.
    """
    if name in BUILT_IN_DATASETS:
        raise Conflict(f"The dataset {name!r} is built in and stays.")
    with services.upload_slots.registering:
        with services.database.write() as session:
            row = session.get(RegisteredDataset, name, with_for_update=True)
            if row is None:
                raise _not_found(name)
            if "admin" not in principal.scopes and row.owner != principal.name:
                raise Forbidden(
                    f"The dataset {name!r} belongs to {row.owner!r}: only its owner, or a key "
                    "with the scope 'admin', deletes it."
                )
            check_unneeded(session, row)
            session.delete(row)
            sha256 = row.sha256
        services.reach.forget()
        _drop_unused_file(services, sha256)


def check_unneeded(session: Session, row: RegisteredDataset) -> None:
    """No job that has not ended names the dataset.

    Raises:
        Conflict: one does.
    """
    needing = find_needing_job(session, row)
    if needing is not None:
        job_id, state = needing
        message = f"The job {job_id} needs the dataset {row.name!r}: cancel it, or wait for its end"
        raise Conflict(f"{message}.", state=state)


def find_needing_job(session: Session, row: RegisteredDataset) -> tuple[str, State] | None:
    """A job that has not ended and names the dataset."""
    ended = [state.value for state in ENDED]
    query = select(Job.id, Job.state, Job.spec).where(Job.state.not_in(ended))
    for job_id, state, spec in session.execute(query):
        if row.reference in list_pinned(spec):
            return job_id, State(state)
    return None


def drop_file_if_unused(
    database: Database, session: Session, registry: Registry, sha256: str
) -> None:
    """Remove a file that no dataset is any more. In a transaction that writes: one that is being
    registered meanwhile, in another process, keeps its file after that."""
    database.lock(session, sha256)
    query = select(RegisteredDataset.name).where(RegisteredDataset.sha256 == sha256).limit(1)
    if session.scalar(query) is None:
        drop_file(registry, sha256)


def _forget(services: Container, name: str) -> None:
    """Take back a row whose file could not be kept."""
    with services.database.write() as session:
        row = session.get(RegisteredDataset, name)
        if row is not None:
            session.delete(row)


def _drop_unused_file(services: Container, sha256: str) -> None:
    with services.database.write() as session:
        drop_file_if_unused(services.database, session, services.registry, sha256)


def _find_same(
    services: Container, name: str, sha256: str, principal: Principal
) -> RegisteredDataset | None:
    """The dataset of this name, if it is this very file.

    Raises:
        Forbidden: another project has the name.
        Conflict: it is another file.
    """
    with services.database.read() as session:
        row = session.get(RegisteredDataset, name)
    if row is not None and not principal.sees(row.project):
        raise Forbidden(f"The name {name!r} is taken: take another name.")
    if row is not None and row.sha256 != sha256:
        raise Conflict(
            f"The dataset {name!r} is another file, of the sha256 {row.sha256}, and never changes: "
            "take another name, or delete it first."
        )
    return row


def _describe_file(
    name: str, title: str, upload: Upload, principal: Principal
) -> RegisteredDataset:
    """The row of a file that was read whole and found right."""
    try:
        splits = read_datasets(name, upload.read(), upload.sha256)
    except DatasetProblem as problem:
        raise invalid("file", str(problem)) from problem
    form = splits["train"].form
    n_examples = {split: len(dataset) for split, dataset in splits.items()}
    moment = now()
    return RegisteredDataset(
        name=name,
        sha256=upload.sha256,
        n_bytes=upload.n_bytes,
        title=title,
        form={**_store_form(form), "n_examples": n_examples},
        project=principal.project,
        owner=principal.name,
        created_at=moment,
        used_at=moment,
    )


def _store_form(form: Form) -> dict[str, Any]:
    return {
        "image_shape": list(form.image_shape),
        "n_outputs": form.n_outputs,
        "targets": form.targets,
    }


def _check_room(services: Container, session: Session, principal: Principal, n_bytes: int) -> None:
    """There is room for a file, until the end of the transaction that adds it.

    Raises:
        Forbidden: the project is archived.
        QuotaExceeded: the project would store more than it may.
        TooLarge: all files together would be more than the settings allow.
    """
    check_storage(session, check_open(session, principal.project), n_bytes)
    services.database.lock(session, "datasets")
    limit = services.settings.max_datasets_bytes
    kept = session.scalar(select(func.sum(RegisteredDataset.n_bytes))) or 0
    if kept + n_bytes > limit:  # how much others have is not told
        raise TooLarge(
            f"Registered datasets may have {limit:,} bytes in all (HYPERADAM_MAX_DATASETS_BYTES), "
            f"and {n_bytes:,} more would be too many: delete one first."
        )


def _not_found(name: str) -> NotFound:
    return NotFound(f"there is no dataset {name!r}")
