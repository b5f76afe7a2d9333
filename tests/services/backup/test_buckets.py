"""Files of runs in a bucket: taken into a backup as the database names them, and put into a bucket
or a folder."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from registry import Registry
from registry.mlflow_backend.objects import Bucket
from registry.mlflow_backend.relocation import read_holding
from services.backup.databases import change_database
from services.backup.errors import BackupError
from services.backup.making import back_up
from services.backup.manifest import Manifest
from services.backup.restoring import restore
from services.embedded.home import UnusableHome, check_restored
from services.settings import Settings
from services.stores import open_stores
from tests.registry.object_stores import BUCKET, serve_gcs, serve_s3
from tests.registry.thetas import make_theta
from tests.services.backup.conftest import SHA256, make_settings
from tests.services.backup.killing import count_moments, run_and_kill

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Please install grpcio-status:ImportWarning"),
]

SERVERS = {"s3": serve_s3, "gcs": serve_gcs}
FILES = {"a.txt": b"one", "deep/er/b.txt": b"two", "deep/c.txt": b"one"}


@pytest.fixture(scope="module", params=sorted(SERVERS))
def bucket(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, SERVERS[request.param](patch) as uri:
        yield uri


def settle_in(home: Path, place: str) -> Settings:
    return Settings(home=home, executor="process", artifact_location=place)


def open_registry(settings: Settings) -> Registry:
    database, registry = open_stores(settings)
    database.dispose()
    return registry


@pytest.fixture(scope="module")
def service(bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A service with a run and two versions in a bucket; another's object lies there, too."""
    settings = settle_in(tmp_path_factory.mktemp("service") / "home", bucket)
    with closing(open_registry(settings)) as registry:
        run = registry.open_run("job_1", name="job_1")
        for path, data in FILES.items():
            registry.put_artifact(run, path, data)
        registry.create_version("mine", make_theta(1), key="one", tags={})
        registry.create_version("mine", make_theta(2), key="two", run_id=run, tags={})
    other = settings.home / "others.txt"
    other.write_bytes(b"not ours")
    Bucket(bucket, settings.tracking_uri).put(other, "elsewhere")
    other.unlink()
    return settings


@pytest.fixture(scope="module")
def backup(service: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("made") / "backup"
    return folder, back_up(service, folder)


def check_all(settings: Settings) -> None:
    """The service has all that was backed up, by its own reading."""
    with closing(open_registry(settings)) as registry:
        for number in (1, 2):
            weights = registry.weights("mine", number)
            digest = registry.version("mine", str(number)).sha256
            assert hashlib.sha256(weights).hexdigest() == digest == make_theta(number).sha256
        run = registry.find_run("job_1")
        assert run is not None
        assert {path: registry.get_artifact(run, path) for path in FILES} == FILES


def test_what_the_database_names_is_in_it(backup: tuple[Path, Manifest]) -> None:
    _, manifest = backup
    assert {theta.sha256 for theta in manifest.thetas} == {make_theta(n).sha256 for n in (1, 2)}
    assert all("elsewhere" not in path for path in manifest.files)
    assert sum(path.endswith(".txt") for path in manifest.files) == len(FILES)


def test_it_is_put_into_another_bucket_or_a_folder(
    bucket: str, backup: tuple[Path, Manifest], tmp_path: Path
) -> None:
    folder, _ = backup
    for name, place in (("a", f"{bucket}-restored"), ("b", str(tmp_path / "b" / "artifacts"))):
        settings = settle_in(tmp_path / name, place)
        restore(settings, folder)
        with change_database(settings.tracking_uri) as connection:
            assert read_holding(connection).root == place
        check_all(settings)
    again = back_up(settle_in(tmp_path / "a", f"{bucket}-restored"), tmp_path / "again")
    assert again.files == backup[1].files


def test_a_home_moves_into_a_bucket(bucket: str, made: Path, tmp_path: Path) -> None:
    place = f"{bucket}-moved"
    settings = settle_in(tmp_path / "home", place)
    manifest = restore(settings, made)
    with closing(open_registry(settings)) as registry:
        assert hashlib.sha256(registry.weights("hyperadam", 1)).hexdigest() == SHA256
    assert len(list(Bucket(place, settings.tracking_uri).list_files())) == len(manifest.files)


def test_a_bucket_in_use_is_refused(
    bucket: str, backup: tuple[Path, Manifest], tmp_path: Path
) -> None:
    with pytest.raises(BackupError, match=f"{bucket} is not empty"):
        restore(settle_in(tmp_path / "home", bucket), backup[0])


def test_an_object_that_went_meanwhile_is_left_out_and_a_version_is_not(
    service: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = Bucket.fetch

    def lose(self: Bucket, path: str, target: Path) -> bool:
        return not path.endswith(lost) and fetch(self, path, target)

    monkeypatch.setattr(Bucket, "fetch", lose)
    lost = "deep/c.txt"
    manifest = back_up(service, tmp_path / "one")
    assert not any(path.endswith(lost) for path in manifest.files)
    lost = f"{make_theta(2).sha256}.safetensors"
    with pytest.raises(BackupError, match="mine@2"):
        back_up(service, tmp_path / "two")


def test_a_restore_that_was_cut_off_is_carried_on(
    bucket: str, backup: tuple[Path, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each object passes a folder for scratch: its files tell when to kill."""
    if not bucket.startswith("s3"):
        pytest.skip("the code is the same for all stores, and this takes long")
    folder, _ = backup
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    n_moments = count_moments(
        lambda: restore(settle_in(tmp_path / "home", f"{bucket}-whole"), folder), tmp_path
    )
    for moment in (n_moments // 4, n_moments // 2, n_moments * 3 // 4):
        settings = settle_in(tmp_path / f"home-{moment}", f"{bucket}-{moment}")
        run_and_kill(lambda to=settings: restore(to, folder), tmp_path, moment)
        with pytest.raises(UnusableHome):
            check_restored(settings.home)
        restore(settings, folder)
        check_all(settings)


def test_a_backup_that_was_cut_off_is_none_and_can_be_repeated(
    bucket: str, service: Settings, tmp_path: Path
) -> None:
    if not bucket.startswith("s3"):
        pytest.skip("the code is the same for all stores, and this takes long")
    folder = tmp_path / "backup"
    n_moments = count_moments(lambda: back_up(service, folder), folder)
    folder = tmp_path / "cut-off"
    run_and_kill(lambda: back_up(service, folder), folder, n_moments // 2)
    with pytest.raises(BackupError, match="no whole backup"):
        restore(make_settings(tmp_path / "home"), folder)
    again = tmp_path / "again"
    assert len(back_up(service, again).thetas) == 2
    assert BUCKET in service.artifact_location
