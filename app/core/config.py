"""Settings, read once from the environment and passed down.

No secret has a default. Production refuses a setting that would weaken safety:
``Settings.refusals`` names every reason at once.
"""

from __future__ import annotations

import json
import os
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SOCKET_PATH = "/subscriptions/socket"
_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
_DATABASES = ("sqlite:///", "postgresql://", "postgres://")
_List: TypeAlias = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Everything that an operator may set; each name is ``RAPPORT_`` and the field's name."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", extra="ignore", frozen=True)

    env: Literal["demo", "production"] = "production"
    data_dir: Path = Path("var")
    database_url: str = ""
    migration_url: str = ""
    replica_url: str = ""  # a streaming replica of the database, for searches
    root_key_file: Path | None = None
    # A service that wraps tenants' keys in place of the root key: Vault Transit, or what speaks it.
    key_service_url: str = ""
    key_service_key: str = "rapport"
    key_service_token_file: Path | None = None
    base_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, validation_alias="PORT")
    trusted_proxies: _List = ()
    cors_origins: _List = ()
    allowed_hosts: _List = ()  # names besides the base URL's
    client_requests_per_second: float | None = Field(default=None, gt=0)
    address_requests_per_second: float | None = Field(default=None, gt=0)
    audit_copy_dir: Path | None = None
    audit_witness_url: str = ""
    # An S3-like store for checkpoints: ``https://host/bucket``, and who writes there.
    audit_bucket_url: str = ""
    audit_bucket_region: str = "us-east-1"
    audit_bucket_key_file: Path | None = None
    audit_keep_days: int = Field(default=2200, ge=2192)  # six years, as accounting asks

    # How people get links and notices: a mail server, else a gateway, else a file here.
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_sender: str = ""
    smtp_username: str = ""
    smtp_password_file: Path | None = None
    smtp_ca_file: Path | None = None  # whose certificates count, besides the system's
    notify_url: str = ""
    notify_token_file: Path | None = None

    # Deliveries to subscribers: how long one is tried again, how long its events are kept.
    subscription_retry_seconds: int = Field(default=4 * 3600, ge=0)
    subscription_keep_days: int = Field(default=30, ge=1)

    metrics_token_file: Path | None = None
    # Where the processes of one server keep their figures together; Prometheus's own name for it.
    metrics_dir: Path | None = Field(default=None, validation_alias="PROMETHEUS_MULTIPROC_DIR")

    access_token_seconds: int = 600
    cursor_seconds: int = 3600
    pool_size: int = 8
    statement_timeout_seconds: int = 30
    lock_timeout_seconds: int = 10
    search_page_default: int = 20
    search_page_maximum: int = 1000
    export_hours: int = Field(default=24, ge=1)  # that an export is there
    export_jobs: int = Field(default=4, ge=1)  # of one client at a time
    export_file_rows: int = Field(default=10_000, ge=1)
    max_body_bytes: int = 5 * 1024 * 1024
    max_bundle_bytes: int = 16 * 1024 * 1024
    max_bundle_entries: int = 500

    @field_validator("base_url")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("trusted_proxies", "cors_origins", "allowed_hosts", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not value.lstrip().startswith("["):
            return tuple(word for each in value.split(",") if (word := each.strip()))
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("a list has commas between, or is a JSON array") from None

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            ip_network(each, strict=False)
        return value

    @field_validator("database_url", "migration_url", "replica_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(_DATABASES):
            raise ValueError("a database is sqlite:///<path> or postgresql://<address>")
        return value

    @property
    def origin(self) -> str:
        """The public origin, without a trailing slash."""
        return self.base_url or f"http://{self.host}:{self.port}"

    @property
    def fhir_base(self) -> str:
        """The FHIR base, without a trailing slash."""
        return f"{self.origin}/fhir"

    @property
    def socket_url(self) -> str:
        """Where subscribers open a socket."""
        return "ws" + self.origin.removeprefix("http") + SOCKET_PATH

    @property
    def hosts(self) -> frozenset[str]:
        """The names under which requests may come, in lower case, without ports."""
        named = {urlsplit(self.origin).hostname or "", *map(str.lower, self.allowed_hosts)}
        return frozenset(named | _LOOPBACK if self.env == "demo" else named)

    @property
    def client_rate(self) -> float:
        """Requests a second that one program may make for one person or for itself."""
        return self.client_requests_per_second or (5_000 if self.env == "demo" else 500)

    @property
    def address_rate(self) -> float:
        """Requests a second that may come from one address; a clinic may share one."""
        return self.address_requests_per_second or (10_000 if self.env == "demo" else 2_000)

    @property
    def database(self) -> str:
        """The application's database: SQLite in the data directory unless told otherwise."""
        return self.database_url or f"sqlite:///{self.data_dir / 'rapport.db'}"

    def is_nowhere(self) -> bool:
        """Whether the database is a file that is not there yet."""
        file = self.database.removeprefix("sqlite:///")
        return file != self.database and not Path(file).exists()

    @property
    def owner_database(self) -> str:
        """The owner's connection, for migrations."""
        return self.migration_url or self.database

    @property
    def demo_credentials(self) -> Path:
        """The file with the demo clinic's passwords and keys."""
        return self.data_dir / "demo" / "credentials.json"

    @property
    def root_key(self) -> Path:
        """The file that holds the root key."""
        return self.root_key_file or self.data_dir / "root.key"

    @property
    def audit_copies(self) -> Path:
        """Where copies of the audit log's checkpoints go; best on another machine's disk."""
        return self.audit_copy_dir or self.data_dir / "audit"

    @cached_property
    def metrics_token(self) -> str:
        """What opens ``/metrics`` from elsewhere; empty: nothing does."""
        return _content(self.metrics_token_file)

    @property
    def smtp_password(self) -> str:
        """The mail server's password; empty: none is asked for."""
        return _content(self.smtp_password_file)

    @property
    def notify_token(self) -> str:
        """The bearer token of the gateway that sends messages."""
        return _content(self.notify_token_file)

    def refusals(self) -> list[str]:
        """Every reason why these settings may not serve, empty when they may."""
        if self.env == "demo":
            return []
        reasons = []
        if urlsplit(self.base_url).scheme != "https":
            reasons.append("RAPPORT_BASE_URL must be an https origin in production")
        if "*" in self.cors_origins:
            reasons.append("RAPPORT_CORS_ORIGINS must not hold a wildcard in production")
        if self.replica_url and self.database.startswith("sqlite:"):
            reasons.append("RAPPORT_REPLICA_URL needs a PostgreSQL in RAPPORT_DATABASE_URL")
        if self.key_service_url and self.key_service_token_file is None:
            reasons.append("RAPPORT_KEY_SERVICE_URL needs RAPPORT_KEY_SERVICE_TOKEN_FILE")
        if self.smtp_host and not self.smtp_sender:
            reasons.append("RAPPORT_SMTP_HOST needs RAPPORT_SMTP_SENDER")
        if self.notify_url and urlsplit(self.notify_url).scheme != "https":
            reasons.append("RAPPORT_NOTIFY_URL must be https in production")
        if self.notify_url and not self.notify_token:
            reasons.append("RAPPORT_NOTIFY_URL needs RAPPORT_NOTIFY_TOKEN_FILE")
        if self.audit_bucket_url and self.audit_bucket_key_file is None:
            reasons.append("RAPPORT_AUDIT_BUCKET_URL needs RAPPORT_AUDIT_BUCKET_KEY_FILE")
        if self.demo_credentials.exists():
            reasons.append("the data directory holds a demo clinic")
        return reasons


def keep_figures_in(directory: Path) -> None:
    """Tells this process's children where to keep their figures, unless the operator did."""
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(directory))


def _content(file: Path | None) -> str:
    """A secret that a file holds; empty without one."""
    return file.read_text().strip() if file else ""
