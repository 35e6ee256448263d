"""Spark, the engine of a cluster; on one machine it serves to try that out."""

import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot.expressions as sge

from pipeline.engines.base import EngineError
from pipeline.errors import RisklineError, of_the_machine

try:
    import pyspark
    from ibis.backends.pyspark import Backend
    from ibis.backends.sql.compilers.pyspark import PySparkCompiler
    from py4j.protocol import Py4JError, Py4JJavaError
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.pandas.types import from_arrow_schema
except ImportError as error:
    raise RisklineError(
        f"the Spark engine needs the package pyspark ({error}); install riskline[spark]"
    ) from error

JAVA = 17
"""The oldest Java that Spark 4 runs on."""
LOCAL = {
    # Nobody else on the network has a part in a session of one machine.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.memory": "4g",
    # Else it starts a task a file to look at the files, a table's hundreds of days.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000000",
}
EVERYWHERE = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # The driver holds a night's features whole, as Arrow tables, whatever the engine.
    "spark.driver.maxResultSize": "0",
}
SESSION = {
    # Timestamps carry a zone; their dates must not depend on the machine's own.
    "spark.sql.session.timeZone": "UTC",
    # What does not fit or cannot be read is an error, never a null.
    "spark.sql.ansi.enabled": "true",
    # Spark would round the product of two decimals where its type has more than 38 digits.
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    # Else Spark writes timestamps as Parquet's format no longer wants them.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
QUIET = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss} %p %c{1}: %m%n%ex
"""
# It writes a page to the terminal for each query that fails; the error says the same.
logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
NO_ROOM = re.compile(r"OutOfMemoryError|No space left on device|Disk quota exceeded|File too large")


class SparkEngine:
    """A session of Spark; safe for one thread of Python at a time.

    A process has one Spark, which starts with the first engine and ends with the process. Engines
    share it, but none sees the tables of another.
    """

    def __init__(
        self, folder: Path, master: str = "local[2]", options: Mapping[str, str] | None = None
    ) -> None:
        """Open a session, and start Spark where this process has none.

        Args:
            folder: where Spark keeps its log, and rows that memory does not hold; made where it is
                missing. On a cluster every machine must see the lake under the same path.
            master: the cluster's URL, or ``local[n]`` for n threads of this machine.
            options: Spark's own, which count when it starts.

        Raises:
            RisklineError: Java is missing or too old, the folder cannot be made, Spark does not
                start, or it runs on another master already.
        """
        self._folder = folder
        running = SparkSession.getActiveSession() or SparkSession._instantiatedSession
        if running is None:
            running = _start(folder, master, options or {})
        elif running.sparkContext.master != master:
            raise RisklineError(
                f"Spark runs on {running.sparkContext.master} already; a process has one master, "
                f"so start another for {master}"
            )
        self._session = running.newSession()
        for name, value in SESSION.items():
            self._session.conf.set(name, value)
        _Backend.register_options()
        self._backend = _Backend()
        self._backend.do_connect(self._session)

    def table(self, rows: pa.Table) -> ir.Table:
        """An Ibis table over rows in memory, which stay there for as long as the engine lives."""
        return self._view("rows", self._session.createDataFrame(rows), rows.schema)

    @contextmanager
    def holding(self, rows: pa.Table) -> Iterator[ir.Table]:
        """An Ibis table over rows in memory, which the engine lets go of when the block ends."""
        table = self.table(rows)
        try:
            yield table
        finally:
            self._session.catalog.dropTempView(table.op().name)

    def read_parquet(self, files: Sequence[Path], schema: pa.Schema) -> ir.Table:
        """An Ibis table over Parquet files that all have ``schema``; of no rows without files."""
        if not files:
            return self.table(schema.empty_table())
        return self._view("files", self._parquet(files, schema), schema)

    def sorted_batches(
        self, file: Path, order: Sequence[str], scratch: Path
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a Parquet file in the order of some columns, nulls first.

        Memory is bounded whatever the file's size: the sorted rows wait in ``scratch``.

        Raises:
            EngineError: there is no room for what has to wait.
        """
        with tempfile.TemporaryDirectory(dir=scratch, prefix="sorted_") as folder:
            try:
                schema = pq.read_schema(file).remove_metadata()
                rows = self._parquet([file], schema)
                by_columns = [rows[name].asc_nulls_first() for name in order]
                rows.orderBy(*by_columns).write.parquet(folder, mode="overwrite")
            except (PySparkException, Py4JError, pa.ArrowException, OSError) as error:
                raise EngineError(str(error)) from error
            # Spark numbers the parts of what it sorts.
            for part in sorted(Path(folder).glob("part-*.parquet")):
                with pq.ParquetFile(part) as rows_of_part:
                    for batch in rows_of_part.iter_batches():
                        yield batch.cast(schema)

    def to_arrow(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression.

        Raises:
            RisklineError: memory or disk does not suffice, or Spark has ended.
        """
        with self._computing():
            rows = self._frame(expression).toArrow()
        return rows.cast(expression.schema().to_pyarrow())

    def cached(self, expression: ir.Table) -> ir.Table:
        """The expression, computed once and kept for as long as the engine lives.

        Raises:
            RisklineError: memory or disk does not suffice, or Spark has ended.
        """
        with self._computing():
            # Not cache(): plans would grow with everything that was ever kept, and so would the
            # time that Spark takes to think about each.
            kept = self._frame(expression).localCheckpoint()
        return self._view("cached", kept, expression.schema().to_pyarrow())

    def _frame(self, expression: ir.Table) -> DataFrame:
        return self._session.sql(self._backend.compile(expression))

    def _parquet(self, files: Sequence[Path], schema: pa.Schema) -> DataFrame:
        # A sign such as * in a folder's name stands for itself.
        reader = self._session.read.schema(from_arrow_schema(schema))
        return reader.option("__globPaths__", "false").parquet(*(str(file) for file in files))

    def _view(self, what: str, rows: DataFrame, schema: pa.Schema) -> ir.Table:
        """A name that SQL knows rows by. Spark's own schema would lose the timestamps' zone."""
        name = ibis.util.gen_name(what)
        rows.createTempView(name)
        return ops.DatabaseTable(
            name=name, schema=ibis.Schema.from_pyarrow(schema), source=self._backend
        ).to_expr()

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Say in one line what the machine lacks; other errors stay as they are."""
        try:
            yield
        except (PySparkException, Py4JError, OSError) as error:
            if NO_ROOM.search(str(error)):
                raise RisklineError(
                    "the machine has not enough memory free, or room on the disk of "
                    f"{self._folder}, for the rows of this step; free some and run again"
                ) from error
            if not isinstance(error, PySparkException | Py4JJavaError):
                raise RisklineError(
                    f"Spark has ended; {_log(self._folder)} says why, so see there and run again"
                ) from error
            raise


class _Compiler(PySparkCompiler):  # type: ignore[misc] # Ibis has no types
    """Where Spark computes something else than the expression's type says, or Ibis says nothing."""

    __slots__ = ()

    SIMPLE_OPS: ClassVar = {ops.BitOr: "bit_or"}

    def visit_Divide(  # noqa: N802 - Ibis calls it by the operation's name
        self, op: ops.Divide, *, left: sge.Expression, right: sge.Expression
    ) -> sge.Expression:
        """A quotient is a double; Spark reads 365.25 as a decimal, and would round the quotient."""
        return sge.Div(
            this=self.cast(left, dt.float64), expression=self.cast(right, dt.float64), typed=False
        )


class _Backend(Backend):  # type: ignore[misc] # Ibis has no types
    """Ibis on Spark, with that compiler."""

    compiler = _Compiler()


def java_version() -> int | None:
    """The major version of the Java that Spark would run on; None where there is none.

    Raises:
        RisklineError: what is there does not say.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if java is None or not Path(java).is_file():
        return None
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603 - the user's own Java
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if version is None:
        raise RisklineError(f"{java} does not tell its version; set JAVA_HOME to another Java")
    return int(version[1])


def _start(folder: Path, master: str, options: Mapping[str, str]) -> SparkSession:
    found = java_version()
    if found is None or found < JAVA:
        raise RisklineError(
            f"the Spark engine needs Java {JAVA} or later, and finds "
            f"{'none' if found is None else f'Java {found}'}; install one, such as the package "
            f"openjdk-{JAVA}-jre-headless, and set JAVA_HOME where it is not on the PATH"
        )
    try:
        # What waits there may be personal.
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        quiet = folder / "log4j2.properties"
        quiet.write_text(QUIET, encoding="utf-8")
        log = _log(folder).open("w", encoding="utf-8")
    except OSError as error:
        raise of_the_machine(error) from error
    places = {
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.driver.extraJavaOptions": (
            f'-Djava.io.tmpdir="{folder}" -Dlog4j2.configurationFile="{quiet.as_uri()}" '
            "-XX:-UsePerfData"
        ),
    }
    local = LOCAL if master.startswith("local") else {}
    settings = {**EVERYWHERE, **local, **SESSION, **places, **options}
    configuration = pyspark.SparkConf().setMaster(master).setAppName("riskline")
    configuration.setAll(list(settings.items()))
    with log:
        try:
            # Java's words would stand between ours on the terminal.
            gateway = launch_gateway(  # type: ignore[no-untyped-call] # PySpark left it untyped
                configuration, {"stdout": log, "stderr": log}
            )
            context = pyspark.SparkContext(conf=configuration, gateway=gateway)
        except (PySparkException, Py4JError, OSError) as error:
            raise RisklineError(
                f"Spark does not start on {master}; {log.name} says why, so see there and run again"
            ) from error
    return SparkSession(context)


def _log(folder: Path) -> Path:
    return folder / "spark.log"
