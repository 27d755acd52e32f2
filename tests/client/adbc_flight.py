"""ADBC over Arrow Flight SQL: arrow results of every type, parameters, batches, transactions, metadata, errors."""

import datetime
import decimal
import os
import threading

import adbc_driver_flightsql.dbapi as flight
import adbc_driver_manager
import pyarrow
from adbc_driver_flightsql import ConnectionOptions, DatabaseOptions

LINE = f"grpc+tls://127.0.0.1:{os.environ['BLUESHIFT_FLIGHT_PORT']}"


def connect(password=os.environ["PGPASSWORD"], line=LINE, **more):
    options = {"username": "admin", "password": password, DatabaseOptions.TLS_SKIP_VERIFY.value: "true"}
    return flight.connect(line, db_kwargs=options, **more)


def refused(work, *words):
    try:
        work()
    except adbc_driver_manager.Error as error:
        assert all(word in str(error) for word in words), error
        return error
    raise SystemExit(f"no error of {words}")


def types(connection):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kinds (i SMALLINT, n INTEGER, l BIGINT, d DECIMAL(12,2), f REAL, g DOUBLE PRECISION,"
                       " b BOOLEAN, c CHAR(4), v VARCHAR(40), day DATE, t TIME, tz TIMETZ, ts TIMESTAMP,"
                       " tstz TIMESTAMPTZ, s SUPER, y VARBYTE(8))")
        cursor.execute("INSERT INTO kinds VALUES (1, 2, 3, 12.50, 1.5, 2.5, true, 'ab', 'häh', '2026-11-21', '04:05:06.7',"
                       " '04:05:06+02', '2026-11-21 04:47:01.25', '2026-11-21 04:47:01+02', JSON_PARSE('{\"a\": [1, null]}'),"
                       " 'abc'::varbyte)")
        cursor.execute("INSERT INTO kinds (i) VALUES (9)")
        connection.commit()
        cursor.execute("SELECT * FROM kinds ORDER BY i")
        table = cursor.fetch_arrow_table()
    wanted = {"i": pyarrow.int16(), "n": pyarrow.int32(), "l": pyarrow.int64(), "d": pyarrow.decimal128(12, 2),
              "f": pyarrow.float32(), "g": pyarrow.float64(), "b": pyarrow.bool_(), "c": pyarrow.string(),
              "v": pyarrow.string(), "day": pyarrow.date32(), "t": pyarrow.time64("us"), "tz": pyarrow.string(),
              "ts": pyarrow.timestamp("us"), "tstz": pyarrow.timestamp("us", "UTC"), "s": pyarrow.string(),
              "y": pyarrow.binary()}
    assert {field.name: field.type for field in table.schema} == wanted, table.schema
    first, last = table.to_pylist()
    utc = datetime.timezone.utc
    assert first == {"i": 1, "n": 2, "l": 3, "d": decimal.Decimal("12.50"), "f": 1.5, "g": 2.5, "b": True, "c": "ab  ",
                     "v": "häh", "day": datetime.date(2026, 11, 21), "t": datetime.time(4, 5, 6, 700_000),
                     "tz": "04:05:06+02", "ts": datetime.datetime(2026, 11, 21, 4, 47, 1, 250_000),
                     "tstz": datetime.datetime(2026, 11, 21, 2, 47, 1, tzinfo=utc), "s": '{"a":[1,null]}',
                     "y": b"abc"}, first
    assert last.pop("i") == 9 and not any(value is not None for value in last.values()), last


def parameters(connection):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE numbers (n INTEGER, word VARCHAR(20))")
        cursor.executemany("INSERT INTO numbers VALUES ($1, $2)", [(n, f"w{n}") for n in range(1000)])
        cursor.execute("SELECT word FROM numbers WHERE n = $1 AND word LIKE $2", (7, "w%"))
        assert cursor.fetchall() == [("w7",)]
        cursor.execute("SELECT count(*), sum(n) FROM numbers")
        assert cursor.fetchone() == (1000, 499_500)
        connection.rollback()
        refused(lambda: cursor.execute("SELECT count(*) FROM numbers"), "numbers", "does not exist")
        connection.rollback()
        cursor.execute("CREATE TABLE numbers (n INTEGER, word VARCHAR(20))")
        cursor.executemany("INSERT INTO numbers VALUES ($1, $2)", [(1, "one"), (2, None)])
        connection.commit()
        cursor.execute("SELECT * FROM numbers ORDER BY n")
        assert cursor.fetchall() == [(1, "one"), (2, None)]


def bulk(connection):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bulk AS WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 1000)"
                       " SELECT (a.n - 1) * 1000 + b.n AS n, 'row ' || a.n AS word FROM t a, t b WHERE b.n <= 300")
        connection.commit()
        cursor.execute("SELECT * FROM bulk")
        rows = total = 0
        for batch in cursor.fetch_record_batch():
            rows += batch.num_rows
            total += sum(batch.column(0).to_pylist()) if rows < 50_000 else 0
        assert rows == 300_000 and total > 0, (rows, total)
        # Left in the middle: the session is free again.
        cursor.execute("SELECT a.n, b.word FROM bulk a, bulk b WHERE a.n < 400000 AND b.n < 400000")
        cursor.fetchone()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def metadata(connection):
    assert connection.adbc_get_info()["vendor_name"] == "Blueshift"
    assert "VIEW" in connection.adbc_get_table_types()
    schema = connection.adbc_get_table_schema("numbers", db_schema_filter="public")
    assert schema.names == ["n", "word"], schema
    assert schema.field("n").metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"] == b"integer", schema.field("n").metadata
    objects = connection.adbc_get_objects(depth="all", catalog_filter="dev", db_schema_filter="public",
                                          table_name_filter="numbers").read_all().to_pylist()
    [schema] = objects[0]["catalog_db_schemas"]
    [table] = schema["db_schema_tables"]
    assert [column["column_name"] for column in table["table_columns"]] == ["n", "word"], table


def errors(connection):
    with connection.cursor() as cursor:
        error = refused(lambda: cursor.execute("SELECT nosuch FROM numbers"), "nosuch")
        connection.rollback()
        assert error.status_code == adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT, error
        refused(lambda: cursor.execute("SELECT 1 / (n - 1) FROM numbers").fetchall(), "zero")
        connection.rollback()
        threading.Timer(0.5, cursor.adbc_cancel).start()
        refused(lambda: cursor.execute("SELECT count(*) FROM bulk a, bulk b, bulk c WHERE a.n <> b.n + c.n").fetchall(), "ancel")
    refused(lambda: connect(password="wrong"), "password authentication failed")
    refused(lambda: connect(line="grpc+tls://127.0.0.1:1"))


with connect() as connection:
    types(connection)
    parameters(connection)
    bulk(connection)
    metadata(connection)
    errors(connection)
with connect(autocommit=True) as connection, connection.cursor() as cursor:
    cursor.execute("INSERT INTO numbers VALUES (3, 'three')")
    assert cursor.rowcount in (-1, 1), cursor.rowcount
    cursor.execute("CREATE TEMP TABLE mine AS SELECT 1 AS one")
    cursor.execute("SELECT (SELECT count(*) FROM numbers), one FROM mine")
    assert cursor.fetchone() == (3, 1)
    cursor.execute("SELECT count(*) FROM stv_sessions WHERE process = pg_backend_pid()")
    assert cursor.fetchone() == (1,)
print("ok")
