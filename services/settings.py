"""Settings of the server: the only reader of its environment.

Every field is read from `HYPERADAM_<FIELD>`. Those that users know from elsewhere are also read
from `DATABASE_URL`, `MLFLOW_TRACKING_URI` and `RAY_ADDRESS`, but for the commands that run a whole
service in one home (`services.setting_names`). Any of these names with `_FILE` at its end names a
file that holds the value, as container secrets do. What is not set is derived from `home`: a laptop
needs no configuration.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from services.executors.contract import REQUEST_SECONDS
from services.housekeeping.settings import RetentionSettings
from services.oidc.settings import OidcSettings
from services.proxies.checks import check_origins, check_proxies, check_root_path
from services.setting_names import PREFIX
from services.webhooks.hosts import Hosts
from services.webhooks.signing import read_key


def default_home() -> Path:
    return Path.home() / ".local" / "share" / "hyperadam"


def _alias(name: str, *others: str) -> AliasChoices:
    """The field's own variable, and others that users know from elsewhere."""
    return AliasChoices(PREFIX + name.upper(), *others)


class Settings(OidcSettings, RetentionSettings, BaseSettings):
    """How one server process runs.

    Frozen: the command line or a test builds it once and hands it down.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(default_factory=default_home)
    """Folder of everything that the embedded service keeps."""
    host: str = "127.0.0.1"
    port: int = Field(default=8400, ge=0, le=65535)
    """0: a free one."""
    trusted_proxies: str = ""
    """Addresses and networks of proxies whose `X-Forwarded-For`, `-Proto` and `-Prefix` are
    believed, with commas; `*`: everybody's; empty: nobody's."""
    root_path: str = ""
    """Path of the service at its proxy, such as `/hyperadam`, which the proxy may take off."""
    cors_origins: str = ""
    """Origins of pages that may ask with an API key, with commas: `https://lab.example.com`; `*`:
    all; empty: none."""
    keep_alive_seconds: float = Field(default=5.0, ge=0, le=3600)
    """A connection without a request is kept open for so long."""
    database_url: str = Field(default="", validation_alias=_alias("database_url", "DATABASE_URL"))
    """Job store, as an SQLAlchemy URL; default `home/jobs.db`."""
    database_password: SecretStr = SecretStr("")
    """Goes into `database_url` and `tracking_uri` if these are Postgres URLs without one."""
    tracking_uri: str = Field(
        default="", validation_alias=_alias("tracking_uri", "MLFLOW_TRACKING_URI")
    )
    """Registry: an SQLAlchemy URL, or an MLflow server; default `home/mlflow.db`."""
    guide_dir: str = ""
    """Folder of the documentation that `/guide` serves; default: the one in the package."""
    mlflow_url: str = Field(default="", pattern=r"^(https?://[^\s]+)?$")
    """Where people find MLflow's own pages over this registry; empty: nowhere."""
    artifact_location: str = ""
    """Where runs keep their files.

    Default: `home/artifacts` with an embedded registry; any other registry decides by itself.
    """
    data_dir: str = ""
    """Folder of datasets, as the trainers see it; default `home/data`."""
    cache_dir: str = ""
    """Folder of what trainers can compute again, as they see it; default `home/cache`.

    These are tuned rates, and outcomes of evaluations.
    """
    driver_password_path: str = ""
    """File with the password of `tracking_uri`, as trainers see it.

    Default: one in `home`, which trainers of this machine can read. The environment of trainers,
    which Ray shows, never holds the password.
    """
    signing_key: SecretStr = SecretStr("")
    """Ed25519 key in PEM that signs each version that is registered; empty: none is signed.

    `HYPERADAM_SIGNING_KEY_FILE` names its file; `hyperadam-server signing-key` makes one.
    """
    ray_address: str = Field(default="", validation_alias=_alias("ray_address", "RAY_ADDRESS"))
    """A Ray cluster's dashboard (`http://head:8265`); empty: a local Ray is started by `up`."""
    executor: Literal["ray", "process"] = "ray"
    """What runs drivers: Ray Jobs, or plain processes of this machine."""
    runner: Literal["", "ray", "in-process"] = ""
    """How drivers spread their work; default `ray` with the Ray executor, else `in-process`."""
    standby: bool = True
    """Whether `up` keeps a driver ready, with all its libraries and workers, for the next job."""
    python: str = sys.executable
    """Interpreter that runs drivers."""
    max_running_jobs: int = Field(default=1, ge=1, le=10_000)
    """Jobs that are active at a time; the others wait in the queue."""
    max_running_jobs_per_key: int = Field(default=0, ge=0, le=10_000)
    """Of these, jobs that were submitted with the same API key; 0: as many as in all."""
    queue_order: Literal["fair", "oldest"] = "fair"
    """Which of the queued jobs of one priority starts next: `fair`, API keys take turns; `oldest`,
    the oldest job, whoever's it is."""
    max_attempts: int = Field(default=5, ge=1, le=1000)
    """Attempts of a job that may be lost in a row; then it fails. Progress restarts the count."""
    cancel_grace_seconds: float = Field(default=60.0, gt=0, le=86_400)
    """Time that a driver has for a checkpoint after it was asked to stop; then it is killed."""
    poll_seconds: float = Field(default=0.5, gt=0, le=60)
    """Pause between two ticks of the reconciler."""
    lease_seconds: float = Field(default=15.0, ge=1, le=3600)
    """After this time without a sign of life, another reconciler takes over.

    With Ray it must be more than one request to Ray may take (10 s): during a request the holder of
    the lease gives no sign of life.
    """
    stall_seconds: float = Field(default=300.0, gt=0, le=86_400)
    """A running attempt that leaves neither events nor log for so long is told of."""
    freeze_seconds: float = Field(default=90.0, ge=60, le=86_400)
    """A driver that gives no sign of life for so long is told of; it gives one every 15 s."""
    heartbeat_seconds: float = Field(default=15.0, gt=0, le=600)
    """Longest silence on an event stream."""
    session_seconds: float = Field(default=28_800.0, ge=60, le=604_800)
    """How long a browser stays signed in."""
    requests_per_second: float = Field(default=1000.0, ge=0, le=1e6)
    """Requests that one process takes from one API key, on average; 0: as many as come."""
    writes_per_second: float = Field(default=50.0, ge=0, le=1e6)
    """Of these, requests that change something; 0: as many as come."""
    rate_burst_seconds: float = Field(default=10.0, ge=1, le=3600)
    """A key that was silent for so long may send at once all that it could have sent."""
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    max_uploads: int = Field(default=4, ge=1, le=1000)
    """Uploads of Θ files that one process takes at a time; others wait for a while."""
    max_datasets_bytes: int = Field(default=10 << 30, ge=1024)
    """Of the files of all registered datasets together."""
    max_log_bytes: int = Field(default=16 << 20, ge=1024)
    """Log kept of one job; what comes after is left out, with a note."""
    webhook_hosts: str = ""
    """Hosts that may be told of a job's end, with commas: `hooks.example.com`, `host:8443`,
    `*.example.com`; empty: no webhooks."""
    webhook_networks: str = ""
    """Private networks in which such a host may be, with commas (`10.1.0.0/16`); empty: none."""
    webhook_secret: SecretStr = SecretStr("")
    """What webhooks are signed with: `whsec_` and at least 24 bytes in base64."""
    log_json: bool = False
    """Server log as JSON lines, instead of text for people."""
    log_file: str = ""
    """Where the server log goes; empty: to stderr."""
    max_log_file_bytes: int = Field(default=16 << 20, ge=1024)
    """A log file that would become longer is put aside."""
    n_log_files: int = Field(default=5, ge=2, le=1000)
    """So many files are kept, the newest among them."""
    audit_lines: str = ""
    """File that the audit log is written to as JSON lines; `-`: standard output; empty: none. The
    job store has it in any case."""
    log_lines_per_second: float = Field(default=100.0, ge=0, le=1e6)
    """Lines of one kind in the server log, on average; what comes beyond is counted and left out.

    0: as many as come.
    """
    trace_endpoint: str = Field(default="", pattern=r"^(https?://[^\s]+)?$")
    """Where traces of requests go: an OpenTelemetry collector; empty: nowhere.

    For example `http://collector:4318/v1/traces`.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _FileSettings(settings_cls), env_settings

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, sources: Any) -> Any:
        """Defaults below `home` for what no source sets."""
        values: dict[str, Any] = {}
        for name in cls.model_fields:
            value = _first_value(sources, name)
            if value is not None:
                values[name] = value

        home = _read_home(values.get("home"))
        _check_home(home)
        values["home"] = home
        defaults = _defaults_below(home)
        if values.get("tracking_uri"):
            defaults["artifact_location"] = ""  # that registry decides where runs keep their files
        if values.get("database_url", "") not in ("", defaults["database_url"]):
            defaults["audit_archive"] = ""  # the home of such a service may be gone tomorrow
        for name, default in defaults.items():
            if not values.get(name):
                values[name] = default
        return values

    @property
    def keeps_jobs_at_home(self) -> bool:
        """Whether the job store is the one in `home`."""
        return self.database_url == _defaults_below(self.home)["database_url"]

    @model_validator(mode="after")
    def _lease_outlasts_requests(self) -> Self:
        if self.executor == "ray" and self.lease_seconds <= REQUEST_SECONDS:
            raise ValueError(
                f"lease_seconds must be more than {REQUEST_SECONDS:g}, "
                f"the time that one request to Ray may take; got {self.lease_seconds:g}"
            )
        return self

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.runner:
            runner = "ray" if self.executor == "ray" else "in-process"
            object.__setattr__(self, "runner", runner)

        password = self.database_password.get_secret_value()
        for name in ("database_url", "tracking_uri"):
            url = _add_password(getattr(self, name), password)
            object.__setattr__(self, name, url)
        return self

    @model_validator(mode="after")
    def _can_send_webhooks(self) -> Self:
        if self.webhook_hosts:
            check_webhooks(
                self.webhook_hosts, self.webhook_networks, self.webhook_secret.get_secret_value()
            )
        return self

    @field_validator("trusted_proxies")
    @classmethod
    def _are_proxies(cls, value: str) -> str:
        return check_proxies(value)

    @field_validator("root_path")
    @classmethod
    def _is_root_path(cls, value: str) -> str:
        return check_root_path(value)

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        return check_origins(value)

    @field_validator("signing_key")
    @classmethod
    def _can_sign(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            from services.signing import Signer  # its libraries take time, which most can spare

            Signer(value.get_secret_value())
        return value

    @field_validator("trace_endpoint")
    @classmethod
    def _can_trace(cls, value: str) -> str:
        if not value:
            return value
        try:
            import_module("opentelemetry.exporter.otlp.proto.http")
        except ImportError as error:
            raise ValueError(
                "needs the extra `tracing`: pip install 'hyperadam-server[tracing]'"
            ) from error
        return value


def check_webhooks(hosts: str, networks: str, secret: str) -> None:
    """
    Raises:
        ValueError: one of the settings is wrong, which is named.
    """
    try:
        Hosts.from_texts(hosts, networks)
    except ValueError as error:
        raise ValueError(f"webhook_networks: {error}") from error
    try:
        read_key(secret)
    except ValueError as error:
        raise ValueError(f"webhook_secret {error}") from error


def _read_home(value: str | Path | None) -> Path:
    """The folder, as an absolute path.

    Raises:
        ValueError: it is no path.
    """
    try:
        return Path(value or default_home()).expanduser().resolve()
    except RuntimeError as error:  # ~somebody
        raise ValueError(f"home must be the path of a folder, got {value}: {error}") from error


def _check_home(home: Path) -> None:
    """The databases in the home are named by URLs, in which these characters mean something."""
    wrong = sorted(set(str(home)) & set("%?#"))
    if wrong:
        raise ValueError(f"home must not have {' or '.join(wrong)} in its path, got {home}")


def _defaults_below(home: Path) -> dict[str, str]:
    return {
        "artifact_location": str(home / "artifacts"),
        "tracking_uri": f"sqlite:///{home / 'mlflow.db'}",
        "database_url": f"sqlite:///{home / 'jobs.db'}",
        "data_dir": str(home / "data"),
        "cache_dir": str(home / "cache"),
        "audit_archive": str(home / "audit"),
    }


def _list_keys(field_name: str, field: FieldInfo) -> list[str]:
    """The keys under which sources have a field.

    Its variables, if it has several, come before its own name.
    """
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [*map(str, alias.choices), field_name]
    return [field_name]


def _first_value(sources: Mapping[str, Any], field_name: str) -> Any:
    """The first value that is set and not an empty text."""
    for key in _list_keys(field_name, Settings.model_fields[field_name]):
        value = sources.get(key, "")
        if value != "":
            return value
    return None


def _add_password(url: str, password: str) -> str:
    if not password or not url.startswith("postgresql"):
        return url
    # with the registry come seconds of imports, which commands can spare
    from registry.passwords import with_password

    return with_password(url, password)


class _FileSettings(PydanticBaseSettingsSource):
    """`NAME_FILE=/run/secrets/name`: the file's text, without white space at its ends."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        keys = _list_keys(field_name, field)
        for key in keys:
            variable = key if key.isupper() else PREFIX + key.upper()
            path = os.environ.get(f"{variable}_FILE")
            if path:
                return Path(path).read_text("utf-8").strip(), keys[0], False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                values[key] = value
        return values
