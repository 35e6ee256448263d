"""Everything a run is told from outside, frozen: built once at the entry point and passed down."""

import os
from pathlib import Path
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import RisklineError

PREFIX = "RISK_"
REPOSITORY = Path(__file__).resolve().parent.parent

EngineName = Literal["duckdb", "spark"]


class Settings(BaseSettings):
    """Where a run reads, keeps and writes. Each field is the variable RISK_<FIELD>."""

    # A variable that is set but empty means the default, as in most shells.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    home: Path = Field(default=Path(".risk"), description="folder of data, models, server and logs")
    source_url: SecretStr | None = Field(
        default=None,
        description="postgresql://... or a folder of Parquet or CSV files; "
        "without it, the database 'bank' of the embedded server",
    )
    source_queries: Path | None = Field(
        default=None, description="folder of <table>.sql files for a source whose tables differ"
    )
    warehouse_url: SecretStr | None = Field(
        default=None,
        description="postgresql://... of a role that may write the schema 'risk'; "
        "without it, the embedded server",
    )
    contracts: Path = Field(
        default=REPOSITORY / "data_contracts", description="folder of the data contracts"
    )
    policy: Path | None = Field(
        default=None, description="folder of the lender's policy files, over the packaged ones"
    )
    bank_timezone: str = Field(default="UTC", description="IANA name; as-of dates are days in it")
    lookback_days: int = Field(
        default=3, ge=0, le=366, description="days before a pull that are read again for late rows"
    )
    threads: int = Field(
        default=2, ge=1, le=256, description="threads of DuckDB, Spark and LightGBM"
    )
    engine: EngineName = Field(
        default="duckdb",
        description="what computes features, with the same result: duckdb, or spark, which needs "
        "riskline[spark] and Java",
    )

    pseudonym_key: SecretStr | None = Field(
        default=None,
        description="secret of 32 characters or more; with it customers bear keyed pseudonyms in "
        "the warehouse outside risk_private, without it the bank's own ids",
    )
    promotion_approval: bool = Field(
        default=False,
        description="whether a person has to approve, in Airflow's UI or by riskline promote, that "
        "a model becomes the champion",
    )

    @field_validator("home", "source_queries", "contracts", "policy")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        # Airflow runs tasks from a folder of its own choosing.
        return None if value is None else _resolved(value)

    @field_validator("pseudonym_key")
    @classmethod
    def _long_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("needs 32 characters or more; try: openssl rand -hex 32")
        return value

    @field_validator("source_url")
    @classmethod
    def _absolute_folder(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or "://" in value.get_secret_value():
            return value
        return SecretStr(str(_resolved(Path(value.get_secret_value()))))

    @field_validator("bank_timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no IANA time zone, such as Africa/Lagos") from error
        return value

    @field_validator("engine", mode="before")
    @classmethod
    def _known_engine(cls, value: object) -> object:
        known = get_args(EngineName)
        if value not in known:
            raise ValueError(f"{value!r} is no engine; set it to {' or '.join(known)}")
        return value

    @property
    def timezone(self) -> ZoneInfo:
        """The bank's time zone."""
        return ZoneInfo(self.bank_timezone)

    @property
    def lake(self) -> Path:
        """Folder of the Parquet partitions."""
        return self.home / "lake"

    @property
    def data_docs(self) -> Path:
        """Folder of Great Expectations' pages, a folder a night."""
        return self.home / "data_docs"


def _resolved(path: Path) -> Path:
    try:
        return path.expanduser().resolve()
    except RuntimeError as error:
        raise ValueError(f"no home folder is known for {path.parts[0]}") from error


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        RisklineError: a RISK_ variable is unknown or has a value that cannot be used.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    given = {name for name in os.environ if name.upper().startswith(PREFIX)}
    unknown = sorted(given - known)
    if unknown:
        raise RisklineError(
            f"unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise RisklineError(f"setting {name}: {first['msg']}") from error
