"""External schemas over a data catalog that speaks as AWS Glue does: moto's."""

import io
import json
import os
import socket
import subprocess
import tempfile
import time

import boto3
import psycopg
import pyarrow
import pyarrow.parquet
from moto.server import ThreadedMotoServer

SECRET = "secret-key-that-must-not-show"
PASSWORD = "Test-password-1"

moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
_, aws_port = moto.get_host_and_port()
endpoint = f"http://127.0.0.1:{aws_port}"
keys = dict(
    endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key=SECRET
)
s3, glue = boto3.client("s3", **keys), boto3.client("glue", **keys)
s3.create_bucket(Bucket="lake")


def parquet(key, first, count):
    table = pyarrow.table({"id": range(first, first + count), "name": [f"n{n}" for n in range(first, first + count)]})
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    s3.put_object(Bucket="lake", Key=key, Body=buffer.getvalue())


def storage(location, columns, kind="parquet"):
    classes = {
        "parquet": (
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            {},
        ),
        "text": (
            "org.apache.hadoop.mapred.TextInputFormat",
            "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            {"field.delim": "|"},
        ),
    }[kind]
    return {
        "Columns": [{"Name": name, "Type": type} for name, type in columns],
        "Location": location,
        "InputFormat": classes[0],
        "SerdeInfo": {"SerializationLibrary": classes[1], "Parameters": classes[2]},
    }


columns = [("id", "bigint"), ("name", "string")]
glue.create_database(DatabaseInput={"Name": "sales"})
for number in range(120):
    glue.create_table(
        DatabaseName="sales",
        TableInput={"Name": f"t{number:03}", "StorageDescriptor": storage("s3://lake/text/", columns, "text")},
    )
s3.put_object(Bucket="lake", Key="text/a", Body=b"1|one\n2|two\n")
glue.create_table(
    DatabaseName="sales",
    TableInput={
        "Name": "parts",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"numRows": "2500"},
        "PartitionKeys": [{"Name": "n", "Type": "int"}],
        "StorageDescriptor": storage("s3a://lake/parts/", columns),
    },
)
for start in range(0, 2500, 100):
    glue.batch_create_partition(
        DatabaseName="sales",
        TableName="parts",
        PartitionInputList=[
            {"Values": [str(n)], "StorageDescriptor": storage(f"s3://lake/parts/n={n}/", columns)}
            for n in range(start, start + 100)
        ],
    )
parquet("parts/n=7/a.parquet", 0, 10)
parquet("parts/n=2400/a.parquet", 10, 10)



def number(value):
    """A whole number as Avro has it."""
    value, found = (value << 1) ^ (value >> 63), b""
    while value > 0x7F:
        found, value = found + bytes([value & 0x7F | 0x80]), value >> 7
    return found + bytes([value])


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return number(len(value)) + value


def avro(key, fields, body):
    """An Avro file of one row."""
    schema = {"type": "record", "name": "row", "fields": [{"name": name, "type": type} for name, type in fields]}
    file = b"Obj\x01" + number(1) + text("avro.schema") + text(json.dumps(schema)) + number(0) + bytes(16)
    file += number(1) + number(len(body)) + body + bytes(16)
    s3.put_object(Bucket="lake", Key=key, Body=file)
    return len(file)


# An Iceberg table as its catalog knows it: a column was renamed after the file was written.
table = pyarrow.table(
    [[1, 2, 3], ["a", "b", "c"]],
    schema=pyarrow.schema(
        [
            pyarrow.field("id", pyarrow.int32(), metadata={"PARQUET:field_id": "1"}),
            pyarrow.field("old", pyarrow.string(), metadata={"PARQUET:field_id": "2"}),
        ]
    ),
)
buffer = io.BytesIO()
pyarrow.parquet.write_table(table, buffer)
s3.put_object(Bucket="lake", Key="ice/data/a.parquet", Body=buffer.getvalue())
data_file = {
    "type": "record",
    "name": "data_file",
    "fields": [
        {"name": name, "type": type}
        for name, type in [
            ("content", "int"), ("file_path", "string"), ("file_format", "string"), ("record_count", "long"),
            ("file_size_in_bytes", "long"),
        ]
    ],
}
size = len(buffer.getvalue())
entry = number(1) + number(0) + text("s3a://lake/ice/data/a.parquet") + text("PARQUET") + number(3) + number(size)
size = avro("ice/metadata/m.avro", [("status", "int"), ("data_file", data_file)], entry)
avro(
    "ice/metadata/snap.avro",
    [("manifest_path", "string"), ("manifest_length", "long"), ("partition_spec_id", "int"), ("content", "int"), ("sequence_number", "long")],
    text("s3://lake/ice/metadata/m.avro") + number(size) + number(0) + number(0) + number(1),
)
metadata = {
    "format-version": 2,
    "location": "s3://lake/ice",
    "current-schema-id": 1,
    "schemas": [
        {
            "schema-id": 1,
            "type": "struct",
            "fields": [{"id": 1, "name": "id", "type": "long"}, {"id": 2, "name": "new", "type": "string"}],
        }
    ],
    "default-spec-id": 0,
    "partition-specs": [{"spec-id": 0, "fields": []}],
    "current-snapshot-id": 7,
    "snapshots": [{"snapshot-id": 7, "manifest-list": "s3://lake/ice/metadata/snap.avro"}],
}
s3.put_object(Bucket="lake", Key="ice/metadata/elsewhere.json", Body=json.dumps(metadata).encode())
glue.create_table(
    DatabaseName="sales",
    TableInput={
        "Name": "ice",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"table_type": "ICEBERG", "metadata_location": "s3://lake/ice/metadata/elsewhere.json"},
        "StorageDescriptor": {
            "Columns": [{"Name": "id", "Type": "bigint"}, {"Name": "new", "Type": "string"}],
            "Location": "s3://lake/ice",
        },
    },
)

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
folder = tempfile.TemporaryDirectory()
environment = dict(
    os.environ,
    BLUESHIFT_ADMIN_PASSWORD=PASSWORD,
    AWS_ENDPOINT_URL=endpoint,
    AWS_REGION="us-east-1",
    AWS_ACCESS_KEY_ID="key",
    AWS_SECRET_ACCESS_KEY=SECRET,
)
log = open(os.path.join(folder.name, "log"), "w+")
server = subprocess.Popen(
    [
        os.environ["BLUESHIFT_BINARY"], "serve", "--data", os.path.join(folder.name, "data"),
        "--listen", f"127.0.0.1:{port}", "--glue-endpoint", endpoint,
    ],
    env=environment, stdout=log, stderr=log,
)
try:
    for _ in range(600):
        try:
            connection = psycopg.connect(
                host="127.0.0.1", port=port, user="admin", password=PASSWORD, dbname="dev", sslmode="require",
                autocommit=True,
            )
            break
        except psycopg.OperationalError:
            time.sleep(0.05)

    def rows(sql):
        return [tuple(row) for row in connection.execute(sql).fetchall()]

    def refuse(sql, code):
        try:
            connection.execute(sql)
            raise SystemExit(f"no error: {sql}")
        except psycopg.Error as error:
            shown = f"{error} {error.diag.message_detail} {error.diag.message_hint}"
            assert SECRET not in shown, shown
            assert error.sqlstate == code, (error.sqlstate, shown)

    role = "IAM_ROLE 'arn:aws:iam::123456789012:role/r' REGION 'us-east-1'"
    connection.execute(f"CREATE EXTERNAL SCHEMA g FROM DATA CATALOG DATABASE 'sales' {role}")
    refuse(f"CREATE EXTERNAL SCHEMA x FROM DATA CATALOG DATABASE 'none' {role}", "3D000")
    assert rows("SELECT * FROM g.t007 ORDER BY id") == [(1, "one"), (2, "two")]
    assert rows("SELECT count(*) FROM svv_external_tables WHERE schemaname = 'g'") == [(122,)]
    assert rows("SELECT id, new FROM g.ice ORDER BY id") == [(1, "a"), (2, "b"), (3, "c")]
    asked = "SELECT DISTINCT trim(key) FROM stl_s3client WHERE query = pg_last_query_id() AND http_method = 'GET'"
    asked = {key for (key,) in rows(asked)}
    assert {"ice/metadata/elsewhere.json", "ice/metadata/m.avro", "ice/data/a.parquet"} <= asked, asked
    refuse("INSERT INTO g.ice SELECT 1, 'x'", "0A000")
    assert rows("SELECT id FROM g.parts WHERE n = 2400 ORDER BY id") == [(n,) for n in range(10, 20)]
    counted = "SELECT total_partitions, qualified_partitions FROM svl_s3partition WHERE query = pg_last_query_id()"
    assert rows(counted) == [(2500, 1)], rows(counted)
    assert rows("SELECT count(*) FROM g.parts") == [(20,)]
    assert rows("SELECT count(*) FROM svv_external_partitions WHERE tablename = 'parts'") == [(2500,)]
    refuse("SELECT * FROM g.none", "42P01")

    # What is made here is there, and the other way round.
    connection.execute(
        "CREATE EXTERNAL TABLE g.made (id BIGINT, name VARCHAR(20)) PARTITIONED BY (day DATE) STORED AS PARQUET "
        "LOCATION 's3://lake/made/' TABLE PROPERTIES ('numRows'='5')"
    )
    refuse("CREATE EXTERNAL TABLE g.made (id BIGINT) STORED AS PARQUET LOCATION 's3://lake/made/'", "42P07")
    found = glue.get_table(DatabaseName="sales", Name="made")["Table"]
    assert found["PartitionKeys"] == [{"Name": "day", "Type": "date"}], found
    assert found["StorageDescriptor"]["Columns"][1] == {"Name": "name", "Type": "varchar(20)"}, found
    assert found["Parameters"]["numRows"] == "5"
    parquet("made/day=1/a.parquet", 0, 5)
    parquet("made/day=2/a.parquet", 5, 5)
    add = "PARTITION (day='2020-01-0{0}') LOCATION 's3://lake/made/day={0}/'"
    connection.execute(f"ALTER TABLE g.made ADD {add.format(1)} {add.format(2)}")
    refuse(f"ALTER TABLE g.made ADD {add.format(1)}", "42710")
    connection.execute(f"ALTER TABLE g.made ADD IF NOT EXISTS {add.format(1)}")
    there = glue.get_partitions(DatabaseName="sales", TableName="made")["Partitions"]
    assert sorted(one["Values"][0] for one in there) == ["2020-01-01", "2020-01-02"], there
    assert rows("SELECT day::varchar, count(*), min(name) FROM g.made GROUP BY day ORDER BY 1") == [
        ("2020-01-01", 5, "n0"), ("2020-01-02", 5, "n5")
    ]
    connection.execute("ALTER TABLE g.made DROP PARTITION (day='2020-01-01')")
    refuse("ALTER TABLE g.made DROP PARTITION (day='2020-01-01')", "42704")
    assert rows("SELECT count(*) FROM g.made") == [(5,)]
    connection.execute("ALTER TABLE g.made SET TABLE PROPERTIES ('numRows'='7')")
    assert glue.get_table(DatabaseName="sales", Name="made")["Table"]["Parameters"]["numRows"] == "7"
    refuse("ALTER TABLE g.made ADD COLUMN x INTEGER", "0A000")
    connection.execute("DROP TABLE g.made")
    refuse("DROP TABLE g.made", "42P01")
    try:
        glue.get_table(DatabaseName="sales", Name="made")
        raise SystemExit("the table is still there")
    except glue.exceptions.EntityNotFoundException:
        pass

    connection.execute(
        f"CREATE EXTERNAL SCHEMA h FROM DATA CATALOG DATABASE 'fresh' {role} CREATE EXTERNAL DATABASE IF NOT EXISTS"
    )
    assert glue.get_database(Name="fresh")["Database"]["Name"] == "fresh"
    connection.execute("CREATE EXTERNAL TABLE h.t (a INTEGER) STORED AS PARQUET LOCATION 's3://lake/none/'")
    assert rows("SELECT count(*) FROM h.t") == [(0,)]
    refuse("DROP SCHEMA h DROP EXTERNAL DATABASE", "2BP01")
    connection.execute("DROP SCHEMA h DROP EXTERNAL DATABASE CASCADE")
    try:
        glue.get_database(Name="fresh")
        raise SystemExit("the database is still there")
    except glue.exceptions.EntityNotFoundException:
        pass

    # A catalog that is gone is told soon, and tells no secret.
    moto.stop()
    begun = time.monotonic()
    refuse("SELECT * FROM g.t100", "08006")
    assert time.monotonic() - begun < 5
    log.flush()
    log.seek(0)
    assert SECRET not in log.read()
finally:
    server.kill()
    server.wait()
    moto.stop()
print("ok")
