"""Iceberg tables: what the server reads of them is what pyiceberg reads, or what a model of the table says."""

import datetime
import json
import os
import random
import shutil
import sys
from decimal import Decimal
from urllib.parse import urlparse

import psycopg
import pyarrow as pa
import pyarrow.parquet
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    TruncateTransform,
    YearTransform,
)
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
)

from iceberg_writer import Lake

PORT, FOLDER, COUNT, SEED = int(sys.argv[1]), os.path.realpath(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
lake = Lake(f"{FOLDER}/ice")


def connect():
    return psycopg.connect(
        host="127.0.0.1", port=PORT, user="admin", password="Test-password-1", dbname="dev", sslmode="require", autocommit=True
    )


server = connect()
server.execute("SET extra_float_digits = 2")
server.execute(
    "CREATE EXTERNAL SCHEMA lake FROM DATA CATALOG DATABASE 'lake' IAM_ROLE default CREATE EXTERNAL DATABASE IF NOT EXISTS"
)


def declare(name, columns, properties="", location=None):
    location = location or lake.table(name).location()
    server.execute(f"DROP TABLE IF EXISTS lake.{name}")
    server.execute(
        f"CREATE EXTERNAL TABLE lake.{name} ({columns}) STORED AS PARQUET LOCATION '{location}' "
        f"TABLE PROPERTIES ('table_type'='ICEBERG'{properties})"
    )


def plain(value):
    if isinstance(value, datetime.datetime) and value.tzinfo:
        return value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    return value


def order(rows):
    return sorted(rows, key=lambda row: [(value is None, str(value)) for value in row])


def ask(query):
    return order(tuple(plain(value) for value in row) for row in server.execute(query).fetchall())


def expect(query, rows):
    found, rows = ask(query), order(tuple(plain(value) for value in row) for row in rows)
    assert found == rows, f"{query}\n found {found[:20]}\n expected {rows[:20]}"


def told(name, columns, where=None):
    """What pyiceberg reads."""
    table = lake.table(name)
    scan = table.scan(row_filter=where, selected_fields=columns) if where else table.scan(selected_fields=columns)
    return [tuple(row[column] for column in columns) for row in scan.to_arrow().to_pylist()]


def fails(query, code, part):
    try:
        server.execute(query)
    except psycopg.Error as error:
        assert error.sqlstate == code and part in str(error), f"{query}: {error.sqlstate} {error}"
        assert all(each.isprintable() or each == "\n" for each in str(error)), repr(str(error))
        return
    raise AssertionError(f"{query} did not fail")


def counts(query):
    """Files read, partitions, and those of them that are qualified."""
    server.execute(query).fetchall()
    files = server.execute("SELECT files FROM svl_s3query_summary WHERE query = pg_last_query_id()").fetchone()[0]
    found = server.execute(
        "SELECT max(total_partitions), max(qualified_partitions) FROM svl_s3partition WHERE query = pg_last_query_id()"
    ).fetchone()
    return (files, *found)


def types():
    schema = Schema(
        NestedField(1, "Id", LongType()),
        NestedField(2, "flag", BooleanType()),
        NestedField(3, "small", IntegerType()),
        NestedField(4, "real", FloatType()),
        NestedField(5, "wide", DoubleType()),
        NestedField(6, "price", DecimalType(12, 3)),
        NestedField(7, "day", DateType()),
        NestedField(8, "at", TimestampType()),
        NestedField(9, "zoned", TimestamptzType()),
        NestedField(10, "name", StringType()),
        NestedField(11, "raw", BinaryType()),
    )
    table = lake.create("types", schema)
    declare(
        "types",
        "id bigint, flag boolean, small int, real real, wide double precision, price decimal(12,3), day date, at timestamp, "
        "zoned timestamp, name varchar(20), raw varbyte(20)",
    )
    expect("SELECT * FROM lake.types", [])
    utc = datetime.timezone.utc
    rows = [
        {
            "Id": n,
            "flag": n % 2 == 0,
            "small": n - 5,
            "real": n / 2,
            "wide": float("nan") if n == 3 else n / 8,
            "price": Decimal(n) / 8,
            "day": datetime.date(1969, 12, 25) + datetime.timedelta(n),
            "at": datetime.datetime(1969, 12, 31, 20, 0, 0, n) + datetime.timedelta(hours=n),
            "zoned": datetime.datetime(2024, 3, 1, tzinfo=utc) + datetime.timedelta(hours=n),
            "name": f"näme {n}",
            "raw": bytes([n, 255]),
        }
        for n in range(10)
    ]
    rows.append({column: None for column in rows[0]} | {"Id": 10})
    for row in rows:
        table.append(pa.Table.from_pylist([row], schema=table.schema().as_arrow()))
    names = list(rows[0])
    expect("SELECT * FROM lake.types", told("types", names))
    # Bounds rule out files, and no row of theirs is missed.
    for filter, expected in [
        ("id = 4", [4]),
        ("id > 8", [9, 10]),
        ("small BETWEEN -4 AND -3", [1, 2]),
        ("real < 1", [0, 1]),
        ("wide > 1", [3, 9]),
        ("price = 0.5", [4]),
        ("day < '1969-12-27'", [0, 1]),
        ("at >= '1970-01-01 04:00'", [8, 9]),
        ("zoned = '2024-03-01 05:00'", [5]),
        ("name = 'näme 7'", [7]),
        ("name LIKE 'näme 8%'", [8]),
        ("name IS NULL", [10]),
        ("flag", [0, 2, 4, 6, 8]),
        ("id IN (2, 3)", [2, 3]),
        ("NOT (id <> 6)", [6]),
    ]:
        expect(f"SELECT id FROM lake.types WHERE {filter}", [(id,) for id in expected])
    assert counts("SELECT name FROM lake.types WHERE id = 4")[0] == 1
    assert counts("SELECT id FROM lake.types WHERE day < '1969-12-27'")[0] == 2
    # A text that is cut is compared as it is cut.
    declare("types", "id bigint, name varchar(3)")
    expect("SELECT id FROM lake.types WHERE name = 'nä'", [(n,) for n in range(10)])
    # Columns that the table does not have.
    declare("types", "id bigint, gone int")
    expect("SELECT max(id) FROM lake.types", [(10,)])
    fails("SELECT gone FROM lake.types", "42703", "is not in its Iceberg table")
    declare("types", "id int")
    fails("SELECT id FROM lake.types", "42804", "incompatible")
    fails("INSERT INTO lake.types SELECT 1", "0A000", "INSERT into Iceberg table")
    fails(
        "CREATE EXTERNAL TABLE lake.odd (a int) PARTITIONED BY (b int) STORED AS PARQUET LOCATION 's3://b/x/' "
        "TABLE PROPERTIES ('table_type'='iceberg')",
        "42P16",
        "cannot be PARTITIONED BY",
    )
    fails("ALTER TABLE lake.types SET FILE FORMAT ORC", "22023", "STORED AS PARQUET")


def evolution():
    schema = Schema(
        NestedField(1, "id", IntegerType()),
        NestedField(2, "a", FloatType()),
        NestedField(3, "price", DecimalType(9, 2)),
        NestedField(4, "gone", StringType()),
        NestedField(5, "s", StructType(NestedField(6, "x", IntegerType()), NestedField(7, "y", StringType()))),
        NestedField(8, "l", ListType(9, IntegerType())),
        NestedField(10, "m", MapType(11, StringType(), 12, IntegerType())),
    )
    table = lake.create("evolution", schema)

    def rows(first, make):
        table.append(pa.Table.from_pylist([make(n) for n in range(first, first + 5)], schema=table.schema().as_arrow()))

    rows(
        0,
        lambda n: {"id": n, "a": n / 4, "price": Decimal(n), "gone": f"g{n}", "s": {"x": n, "y": f"y{n}"}, "l": [n], "m": [("k", n)]},
    )
    with table.update_schema() as update:
        update.rename_column("a", "b")
        update.delete_column("gone")
        update.update_column("id", LongType())
        update.update_column("price", DecimalType(18, 2))
    with table.update_schema() as update:
        update.update_column("b", DoubleType())
        update.add_column("gone", LongType())
        update.rename_column("s.x", "z")
        update.move_first("price")
    with table.update_schema() as update:
        update.add_column(("s", "x"), StringType())
        update.add_column("a", StringType())
    rows(
        5,
        lambda n: {
            "price": Decimal(n) * 10**13,
            "id": n + 2**40,
            "b": n / 3,
            "s": {"z": n, "y": f"y{n}", "x": "new"},
            "l": [n, n],
            "m": [],
            "gone": n,
            "a": f"a{n}",
        },
    )
    declare(
        "evolution",
        "id bigint, b double precision, price decimal(18,2), gone bigint, a varchar(9), "
        "s struct<x:varchar(9),y:varchar(9),z:int>, l array<int>, m map<varchar(5),int>",
    )
    plain_columns = ["id", "b", "price", "gone", "a"]
    expect(f"SELECT {', '.join(plain_columns)} FROM lake.evolution", told("evolution", plain_columns))
    found = {id: json.loads(text) for id, text in server.execute("SELECT id, s FROM lake.evolution").fetchall()}
    for row in table.scan().to_arrow().to_pylist():
        assert found[row["id"]] == row["s"], (found[row["id"]], row["s"])
    expect("SELECT sum(i) FROM lake.evolution e, e.l i", [(sum(range(5)) + 2 * sum(range(5, 10)),)])
    expect("SELECT x.value FROM lake.evolution e, e.m x WHERE e.id = 3", [(3,)])
    expect("SELECT count(*) FROM lake.evolution WHERE gone IS NULL", [(5,)])
    expect("SELECT count(*) FROM lake.evolution WHERE b > 1", [(5,)])
    expect("SELECT id FROM lake.evolution WHERE price = 30", [])
    expect("SELECT id FROM lake.evolution WHERE price = 3", [(3,)])


def partitions():
    schema = Schema(
        NestedField(1, "id", LongType()),
        NestedField(2, "day", DateType()),
        NestedField(3, "at", TimestampType()),
        NestedField(4, "region", StringType()),
        NestedField(5, "name", StringType()),
    )
    spec = lambda source, transform: PartitionSpec(PartitionField(source, 1000, transform, "p"))
    rows = [
        {
            "id": n,
            "day": None if n == 50 else datetime.date(1968, 1, 1) + datetime.timedelta(n * 40),
            "at": datetime.datetime(1969, 12, 31, 20) + datetime.timedelta(minutes=n * 17),
            "region": None if n % 10 == 9 else f"r{n % 10}",
            "name": f"{'abc'[n % 3] * 3}{n}",
        }
        for n in range(60)
    ]
    filters = [
        ("id = 17", lambda r: r["id"] == 17),
        ("id < 12", lambda r: r["id"] < 12),
        ("day BETWEEN '1970-01-01' AND '1970-12-31'", lambda r: r["day"] and r["day"].year == 1970),
        ("day < '1969-02-15'", lambda r: r["day"] and r["day"] < datetime.date(1969, 2, 15)),
        ("day IS NULL", lambda r: r["day"] is None),
        ("at >= '1970-01-01 00:30' AND at < '1970-01-01 02:00'", lambda r: datetime.datetime(1970, 1, 1, 0, 30) <= r["at"] < datetime.datetime(1970, 1, 1, 2)),
        ("at < '1969-12-31 21:00'", lambda r: r["at"] < datetime.datetime(1969, 12, 31, 21)),
        ("region = 'r3'", lambda r: r["region"] == "r3"),
        ("region IS NULL", lambda r: r["region"] is None),
        ("region IN ('r1', 'r2') AND id > 30", lambda r: r["region"] in ("r1", "r2") and r["id"] > 30),
        ("name LIKE 'bbb%'", lambda r: r["name"].startswith("bbb")),
        ("name > 'bbb5'", lambda r: r["name"] > "bbb5"),
        ("name = 'ccc20'", lambda r: r["name"] == "ccc20"),
    ]
    pruned = {
        "year": ("day BETWEEN '1970-01-01' AND '1970-12-31'", 2),
        "month": ("day BETWEEN '1970-02-01' AND '1970-02-27'", 1),
        "day": ("day = '1973-06-23'", 1),
        "hour": ("at = '1970-01-01 03:05'", 1),
        "region": ("region = 'r3'", 1),
        "start": ("name LIKE 'aaa%'", 1),
        "ten": ("id BETWEEN 20 AND 29", 1),
    }
    kinds = [
        ("year", 2, YearTransform()),
        ("month", 2, MonthTransform()),
        ("day", 2, DayTransform()),
        ("hour", 3, HourTransform()),
        ("region", 4, IdentityTransform()),
        ("bucket", 1, BucketTransform(7)),
        ("start", 5, TruncateTransform(3)),
        ("ten", 1, TruncateTransform(10)),
    ]
    for name, source, transform in kinds:
        table = lake.create(f"by_{name}", schema, partition_spec=spec(source, transform), properties={"write.metadata.metrics.default": "none"})
        table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))
        declare(f"by_{name}", "id bigint, day date, at timestamp, region varchar(9), name varchar(20)")
        for filter, test in filters:
            expect(f"SELECT id FROM lake.by_{name} WHERE {filter}", [(row["id"],) for row in rows if test(row)])
        expect(f"SELECT count(*) FROM lake.by_{name}", [(60,)])
        files, total, qualified = counts(f"SELECT name FROM lake.by_{name}")
        assert files == total == qualified, (name, files, total, qualified)
        if name in pruned:
            filter, most = pruned[name]
            files, seen, qualified = counts(f"SELECT count(name), min(id) FROM lake.by_{name} WHERE {filter}")
            assert seen == total and qualified == files and qualified <= most, (name, files, seen, qualified)
    # The way of partitioning changes.
    table = lake.table("by_region")
    with table.update_spec() as update:
        update.remove_field("p")
        update.add_field("day", YearTransform(), "by_year")
    more = [{**row, "id": row["id"] + 100} for row in rows]
    table.append(pa.Table.from_pylist(more, schema=table.schema().as_arrow()))
    for filter, test in filters:
        if "id" in filter.split()[0]:
            continue
        wanted = [(row["id"],) for row in rows + more if test(row)]
        if "id >" in filter:
            wanted = [(row["id"],) for row in rows + more if row["region"] in ("r1", "r2") and row["id"] > 30]
        expect(f"SELECT id FROM lake.by_region WHERE {filter}", wanted)


def deletes():
    schema = pa.schema([("id", pa.int64()), ("part", pa.string()), ("v", pa.int32())])
    table = lake.create("deletes", schema)
    rows = lambda first, last: pa.table({"id": range(first, last), "part": [f"p{n % 3}" for n in range(first, last)], "v": [None if n % 7 == 0 else n for n in range(first, last)]}, schema=schema)
    table.append(rows(0, 100))
    table.append(rows(100, 200))
    declare("deletes", "id bigint, part varchar(9), v int")
    first, second = lake.paths("deletes")
    by_path = {}
    for path in (first, second):
        by_path[path] = pa.parquet.read_table(urlparse(path).path)["id"].to_pylist()
    model = {n: (n, f"p{n % 3}", None if n % 7 == 0 else n) for n in range(200)}

    def check():
        expect("SELECT id, part, v FROM lake.deletes", model.values())
        expect("SELECT count(*) FROM lake.deletes", [(len(model),)])
        expect("SELECT count(*) FROM lake.deletes WHERE id % 2 = 0", [(sum(n % 2 == 0 for n in model),)])
        expect("SELECT sum(v), min(id), max(part) FROM lake.deletes WHERE id < 150", [(
            sum(row[2] or 0 for n, row in model.items() if n < 150), min(model), max(row[1] for n, row in model.items() if n < 150)
        )])

    check()
    gone = [(first, n) for n in (0, 1, 5, 99)] + [(second, n) for n in range(10, 60)] + [(second, 500)]
    lake.delete_positions("deletes", gone)
    for path, position in gone:
        if position < 100:
            del model[by_path[path][position]]
    check()
    expect("SELECT id, part, v FROM lake.deletes", told("deletes", ["id", "part", "v"]))
    # Only for one file.
    lake.delete_positions("deletes", [(first, 50)], referenced=first)
    del model[by_path[first][50]]
    check()
    # By equality: of rows that were there before, not of those that come later.
    lake.delete_equal("deletes", [("id", 1, pa.int64())], [{"id": 20}, {"id": 21}, {"id": 199}, {"id": 10_000}])
    for id in (20, 21, 199):
        model.pop(id, None)
    check()
    lake.table("deletes").append(rows(20, 22))
    for id in (20, 21):
        model[id] = (id, f"p{id % 3}", None if id % 7 == 0 else id)
    check()
    # Nulls are equal to nulls, and several columns must all be.
    lake.delete_equal("deletes", [("v", 3, pa.int32()), ("part", 2, pa.string())], [{"v": None, "part": "p0"}, {"v": 22, "part": "p0"}, {"v": 23, "part": "p2"}])
    for id, row in list(model.items()):
        if row[1:] in [("p0", None), ("p0", 22), ("p2", 23)]:
            del model[id]
    check()
    # Types are promoted, and columns come later.
    table = lake.table("deletes")
    with table.update_schema() as update:
        update.update_column("v", LongType())
        update.add_column("w", StringType())
    table.append(pa.table({"id": [1000, 1001], "part": ["p9", "p9"], "v": [2**40, 30], "w": ["x", None]}))
    lake.delete_equal("deletes", [("v", 3, pa.int64()), ("w", 4, pa.string())], [{"v": 30, "w": None}, {"v": 2**40, "w": "y"}])
    for id, row in list(model.items()):
        if row[2] == 30:
            del model[id]
    model[1000] = (1000, "p9", 2**40)
    declare("deletes", "id bigint, part varchar(9), v bigint")
    check()
    # A column that the table has no more.
    with lake.table("deletes").update_schema() as update:
        update.delete_column("part")
    lake.delete_equal("deletes", [("part", 2, pa.string())], [{"part": "p1"}])
    model = {id: (id, row[2]) for id, row in model.items() if row[1] != "p1"}
    declare("deletes", "id bigint, v bigint")
    expect("SELECT id, v FROM lake.deletes", model.values())
    # All rows of all files.
    lake.delete_equal("deletes", [("id", 1, pa.int64())], [{"id": id} for id in model])
    expect("SELECT count(*), max(v) FROM lake.deletes", [(0, None)])

    # Deletes of one partition are not those of another.
    spec = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "part"))
    table = lake.create(
        "parted", Schema(NestedField(1, "id", LongType()), NestedField(2, "part", StringType())), partition_spec=spec
    )
    table.append(pa.table({"id": [1, 2, 3, 1, 2, 3], "part": ["a", "a", "a", "b", "b", "b"]}))
    declare("parted", "id bigint, part varchar(9)")
    of_a = next(path for path in lake.paths("parted") if "part=a" in path)
    lake.delete_equal("parted", [("id", 1, pa.int64())], [{"id": 2}], like=of_a)
    expect("SELECT id, part FROM lake.parted", [(1, "a"), (3, "a"), (1, "b"), (2, "b"), (3, "b")])
    # Copies of the rows that are left, as pyiceberg deletes.
    lake.table("types").delete("Id = 4")
    declare("types", "id bigint")
    expect("SELECT id FROM lake.types", [(n,) for n in range(11) if n != 4])
    lake.table("types").overwrite(lake.table("types").scan(row_filter="Id < 3").to_arrow())
    expect("SELECT id FROM lake.types", [(0,), (1,), (2,)])


def places():
    table = lake.create("places", pa.schema([("id", pa.int64())]))
    table.append(pa.table({"id": [1]}))
    early = table.metadata_location
    table.append(pa.table({"id": [2]}))
    # A version that is named stays.
    declare("places", "id bigint", f", 'metadata_location'='{early}'")
    expect("SELECT id FROM lake.places", [(1,)])
    server.execute(f"ALTER TABLE lake.places SET TABLE PROPERTIES ('metadata_location'='{table.metadata_location}')")
    expect("SELECT id FROM lake.places", [(1,), (2,)])
    # A hint, as tables without a catalog have it.
    folder = urlparse(table.location()).path
    shutil.copy(urlparse(early).path, f"{folder}/metadata/v1.metadata.json")
    open(f"{folder}/metadata/version-hint.text", "w").write("1")
    declare("places", "id bigint")
    expect("SELECT id FROM lake.places", [(1,)])
    shutil.copy(urlparse(table.metadata_location).path, f"{folder}/metadata/v2.metadata.json")
    expect("SELECT id FROM lake.places", [(1,), (2,)])
    os.remove(f"{folder}/metadata/version-hint.text")
    expect("SELECT count(*) FROM lake.places WHERE \"$path\" LIKE '%.parquet' AND \"$size\" > 0", [(2,)])
    # Version 1.
    table = lake.create("old", pa.schema([("id", pa.int64())]), properties={"format-version": "1"})
    table.append(pa.table({"id": [1, 2]}))
    table.append(pa.table({"id": [3]}))
    declare("old", "id bigint")
    expect("SELECT id FROM lake.old", [(1,), (2,), (3,)])


def refused():
    table = lake.create("refused", pa.schema([("id", pa.int64())]))
    table.append(pa.table({"id": [1]}))
    declare("refused", "id bigint")
    path = urlparse(table.metadata_location).path
    whole = open(path).read()

    def with_metadata(change, code, part):
        metadata = json.loads(whole)
        change(metadata)
        json.dump(metadata, open(path, "w"))
        fails("SELECT * FROM lake.refused", code, part)
        open(path, "w").write(whole)

    with_metadata(lambda m: m.update({"format-version": 3}), "0A000", "Puffin")
    with_metadata(lambda m: m["snapshots"][0].update({"manifest-list": "file:///etc/passwd"}), "42501", "etc")
    with_metadata(lambda m: m["snapshots"][0].update({"manifest-list": f"file://{FOLDER}/ice/../../x"}), "42501", "x")
    with_metadata(lambda m: m["snapshots"][0].update({"manifest-list": f"file://{FOLDER}/ice/none"}), "22P04", "is not there")
    with_metadata(lambda m: m["schemas"][0]["fields"][0].update({"type": "variant"}), "0A000", "variant")
    open(path, "w").write(whole[: len(whole) // 2])
    try:
        server.execute("SELECT * FROM lake.refused")
        raise AssertionError("half a file was read")
    except psycopg.Error as error:
        assert "could not read the Iceberg table" in str(error), error
    open(path, "w").write(whole)
    # Damaged manifests are told, whatever is wrong with them.
    metadata = json.loads(whole)
    random.seed(SEED)
    for name in os.listdir(os.path.dirname(path)):
        if not name.endswith(".avro"):
            continue
        name = os.path.join(os.path.dirname(path), name)
        good = open(name, "rb").read()
        for _ in range(20):
            bad = bytearray(good)
            for _ in range(random.randint(1, 8)):
                bad[random.randrange(len(bad))] = random.randrange(256)
            if random.random() < 0.3:
                bad = bad[: random.randrange(len(bad))]
            open(name, "wb").write(bad)
            try:
                server.execute("SELECT * FROM lake.refused").fetchall()
            except psycopg.Error as error:
                assert not error.sqlstate.startswith("XX"), (error.sqlstate, error)
        open(name, "wb").write(good)
    expect("SELECT * FROM lake.refused", [(1,)])
    fails("CREATE EXTERNAL TABLE lake.hudi (a int) STORED AS PARQUET LOCATION 's3://b/x/' TABLE PROPERTIES ('table_type'='HUDI')", "0A000", "HUDI")
    os.makedirs(f"{FOLDER}/empty", exist_ok=True)
    declare("empty", "id bigint", location=f"file://{FOLDER}/empty/")
    fails("SELECT * FROM lake.empty", "22P04", "no file *.metadata.json")


def made_at_random(number):
    random.seed(SEED * 1_000 + number)
    name = f"random_{number}"
    schema = Schema(
        NestedField(1, "id", LongType()), NestedField(2, "k", IntegerType()), NestedField(3, "t", StringType())
    )
    transform = random.choice([None, IdentityTransform(), BucketTransform(3), TruncateTransform(4)])
    more = {} if transform is None else {"partition_spec": PartitionSpec(PartitionField(2, 1000, transform, "p"))}
    table = lake.create(name, schema, **more)
    declare(name, "id bigint, k int, t varchar(20)")
    model, next_id = {}, 0
    for _ in range(random.randint(2, 6)):
        action = random.random()
        if action < 0.6 or not model:
            rows = []
            for _ in range(random.randint(1, 200)):
                rows.append({"id": next_id, "k": random.choice([None, *range(12)]), "t": random.choice([None, "", "a", "ä", f"x{next_id % 5}"])})
                next_id += 1
            lake.table(name).append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))
            model.update({row["id"]: (row["id"], row["k"], row["t"]) for row in rows})
        elif action < 0.8:
            path = random.choice(lake.paths(name))
            ids = pa.parquet.read_table(urlparse(path).path)["id"].to_pylist()
            gone = sorted(random.sample(range(len(ids)), random.randint(1, len(ids))))
            lake.delete_positions(name, [(path, position) for position in gone], referenced=path)
            for position in gone:
                model.pop(ids[position], None)
        else:
            keys = random.sample([None, *range(12)], 3)
            if transform is None:
                lake.delete_equal(name, [("k", 2, pa.int32())], [{"k": key} for key in keys])
                model = {id: row for id, row in model.items() if row[1] not in keys}
    for where in ["true", "k = 5", "k IS NULL", "k > 8", "t = 'ä'", "t < 'b'", f"id > {next_id // 2}", "k IN (1, 2) AND t IS NOT NULL"]:
        test = {
            "true": lambda r: True,
            "k = 5": lambda r: r[1] == 5,
            "k IS NULL": lambda r: r[1] is None,
            "k > 8": lambda r: r[1] is not None and r[1] > 8,
            "t = 'ä'": lambda r: r[2] == "ä",
            "t < 'b'": lambda r: r[2] is not None and r[2] < "b",
            "k IN (1, 2) AND t IS NOT NULL": lambda r: r[1] in (1, 2) and r[2] is not None,
        }.get(where, lambda r: r[0] > next_id // 2)
        expect(f"SELECT id, k, t FROM lake.{name} WHERE {where}", [row for row in model.values() if test(row)])


for case in (types, evolution, partitions, deletes, places, refused):
    case()
    print(case.__name__, flush=True)
for number in range(COUNT):
    made_at_random(number)
print("ok")
