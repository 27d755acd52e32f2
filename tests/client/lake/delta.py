"""Delta tables: what delta-rs wrote is read as it reads it; deletion vectors, column mapping and checkpoints of version 2,
which it does not write, as they were made."""

import datetime
import json
import os
import random
import struct
import sys
import uuid
import zlib

import psycopg
import pyarrow as pa
import pyarrow.parquet
from deltalake import DeltaTable, write_deltalake
from pyroaring import BitMap

PORT, FOLDER, COUNT, SEED = int(sys.argv[1]), os.path.realpath(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
random.seed(SEED)
server = psycopg.connect(
    host="127.0.0.1", port=PORT, user="admin", password="Test-password-1", dbname="dev", sslmode="require", autocommit=True
)
server.execute(
    "CREATE EXTERNAL SCHEMA lake FROM DATA CATALOG DATABASE 'lake' IAM_ROLE default CREATE EXTERNAL DATABASE IF NOT EXISTS"
)


def declare(name, columns, partitions=""):
    server.execute(f"DROP TABLE IF EXISTS lake.{name}")
    partitions = f"PARTITIONED BY ({partitions})" if partitions else ""
    server.execute(
        f"CREATE EXTERNAL TABLE lake.{name} ({columns}) {partitions} STORED AS PARQUET LOCATION 'file://{FOLDER}/{name}/' "
        "TABLE PROPERTIES ('table_type'='DELTA')"
    )


def order(rows):
    return sorted((tuple(row) for row in rows), key=lambda row: [(value is None, str(value)) for value in row])


def expect(query, rows):
    found, rows = order(server.execute(query).fetchall()), order(rows)
    assert found == rows, f"{query}\n found {found[:20]}\n expected {rows[:20]}"


def fails(query, code, part):
    try:
        server.execute(query)
    except psycopg.Error as error:
        assert error.sqlstate == code and part in str(error), f"{query}: {error.sqlstate} {error}"
        return
    raise AssertionError(f"{query} did not fail")


def files_read(query):
    server.execute(query).fetchall()
    return server.execute("SELECT files FROM svl_s3query_summary WHERE query = pg_last_query_id()").fetchone()[0]


def checkpoints():
    path = f"{FOLDER}/classic"
    start = datetime.date(2024, 1, 1)
    for number in range(6):
        ids = list(range(number * 10, number * 10 + 10))
        table = pa.table(
            {
                "id": pa.array([None if n % 10 == 9 else n for n in ids], pa.int64()),
                "at": pa.array([start + datetime.timedelta(n) for n in ids], pa.date32()),
                "name": pa.array([f"n {n}" for n in ids]),
                "part": pa.array([["a b", "c/d", None][n % 3] for n in ids]),
            }
        )
        write_deltalake(path, table, mode="append", partition_by=["part"])
        if number in (2, 4):
            DeltaTable(path).create_checkpoint()
    DeltaTable(path).delete("id = 3 OR id = 55")
    declare("classic", "id bigint, at date, name varchar(20)", "part varchar(20)")

    def told():
        return [tuple(row[name] for name in ("id", "at", "name", "part")) for row in DeltaTable(path).to_pyarrow_table().to_pylist()]

    expect("SELECT id, at, name, part FROM lake.classic", told())
    expect("SELECT count(*) FROM lake.classic WHERE part = 'a b'", [(sum(row[3] == "a b" for row in told()),)])
    expect("SELECT id FROM lake.classic WHERE at = '2024-01-21'", [(row[0],) for row in told() if str(row[1]) == "2024-01-21"])
    # The log tells between which values columns lie.
    assert files_read("SELECT name FROM lake.classic WHERE id BETWEEN 12 AND 14") <= 3
    assert files_read("SELECT name FROM lake.classic WHERE at >= '2024-02-25'") <= 3
    expect("SELECT count(*) FROM lake.classic WHERE id IS NULL", [(sum(row[0] is None for row in told()),)])
    # The log before the checkpoint is not needed.
    DeltaTable(path).create_checkpoint()
    for name in os.listdir(f"{path}/_delta_log"):
        if name.endswith(".json"):
            os.remove(f"{path}/_delta_log/{name}")
    expect("SELECT id, at, name, part FROM lake.classic", told())


def data_file(folder, name, table):
    os.makedirs(folder, exist_ok=True)
    pyarrow.parquet.write_table(table, f"{folder}/{name}", row_group_size=1_000)
    return {"path": name, "partitionValues": {}, "size": os.path.getsize(f"{folder}/{name}"), "modificationTime": 1, "dataChange": True}


def commit(folder, version, actions):
    os.makedirs(f"{folder}/_delta_log", exist_ok=True)
    with open(f"{folder}/_delta_log/{version:020}.json", "w") as file:
        file.write("\n".join(json.dumps(action) for action in actions))


def begin(features, fields, configuration={}, partitions=()):
    return [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}},
        {
            "metaData": {
                "id": "x",
                "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps({"type": "struct", "fields": fields}),
                "partitionColumns": list(partitions),
                "configuration": configuration,
            }
        },
    ]


def field(name, type, id=None, physical=None):
    notes = {} if id is None else {"delta.columnMapping.id": id, "delta.columnMapping.physicalName": physical}
    return {"name": name, "type": type, "nullable": True, "metadata": notes}


DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def base85(data):
    data += bytes(-len(data) % 4)
    text = ""
    for at in range(0, len(data), 4):
        value, group = int.from_bytes(data[at : at + 4], "big"), ""
        for _ in range(5):
            value, digit = divmod(value, 85)
            group = DIGITS[digit] + group
        text += group
    return text


def bitmap(rows):
    inner = BitMap(rows)
    inner.run_optimize()
    return struct.pack("<IQI", 1681511377, 1, 0) + inner.serialize()


def inline(rows):
    data = bitmap(rows)
    return {"storageType": "i", "pathOrInlineDv": base85(data), "sizeInBytes": len(data), "cardinality": len(set(rows))}


def in_file(folder, prefix, vectors):
    """Writes vectors to one file; gives their descriptors."""
    name, body, found = uuid.uuid4(), b"\x01", []
    for rows in vectors:
        data = bitmap(rows)
        found.append(
            {
                "storageType": "u",
                "pathOrInlineDv": prefix + base85(name.bytes),
                "offset": len(body),
                "sizeInBytes": len(data),
                "cardinality": len(set(rows)),
            }
        )
        body += struct.pack(">I", len(data)) + data + struct.pack(">I", zlib.crc32(data))
    place = f"{folder}/{prefix}" if prefix else folder
    os.makedirs(place, exist_ok=True)
    path = f"{place}/deletion_vector_{name}.bin"
    open(path, "wb").write(body)
    return found, path


def vectors():
    folder = f"{FOLDER}/vectors"
    ids = pa.table({"id": pa.array(range(100_000), pa.int64())})
    more = pa.table({"id": pa.array(range(100_000, 100_100), pa.int64())})
    first, second = data_file(folder, "a.parquet", ids), data_file(folder, "b.parquet", more)
    start = begin(["deletionVectors"], [field("id", "long")])
    commit(folder, 0, [*start, {"add": first}, {"add": second}])
    declare("vectors", "id bigint")
    alive = set(range(100_100))
    expect("SELECT count(*), sum(id) FROM lake.vectors", [(len(alive), sum(alive))])
    version, known = 1, {"a.parquet": (first, None, set()), "b.parquet": (second, None, set())}
    shapes = [
        [0],
        list(range(1_000, 9_000)),
        random.sample(range(100_000), 30_000),
        list(range(0, 100_000, 7)),
        [99_999, 70_000, 65_536, 65_535],
    ]
    for number, shape in enumerate(shapes):
        add, old, gone = known["a.parquet"]
        gone = gone | set(shape)
        made, path = in_file(folder, ["", "ab"][number % 2], [[1], sorted(gone)])
        vector = made[1] if number % 3 else inline(sorted(gone))
        remove = {"path": "a.parquet", "dataChange": True, "deletionTimestamp": 1, **({"deletionVector": old} if old else {})}
        actions = [{"add": {**add, "deletionVector": vector}}, {"remove": remove}]
        commit(folder, version, actions if number % 2 else actions[::-1])
        version, known["a.parquet"] = version + 1, (add, vector, gone)
        alive = set(range(100_100)) - gone
        expect("SELECT count(*), sum(id), min(id) FROM lake.vectors", [(len(alive), sum(alive), min(alive))])
        expect("SELECT id FROM lake.vectors WHERE id BETWEEN 990 AND 1010", [(id,) for id in alive if 990 <= id <= 1010])
        expect("SELECT count(*) FROM lake.vectors WHERE id % 3 = 0", [(sum(id % 3 == 0 for id in alive),)])
    # Damage is told.
    add, old, gone = known["a.parquet"]
    made, path = in_file(folder, "", [sorted(gone)])
    body = open(path, "rb").read()
    remove = {"remove": {"path": "a.parquet", "dataChange": True, "deletionVector": old}}
    commit(folder, version, [remove, {"add": {**add, "deletionVector": made[0]}}])
    for bad, part in [
        (body[:-1] + bytes([body[-1] ^ 1]), "checksum"),
        (body[:100], ""),
        (body[:1] + b"\0\0\0\1" + body[5:], "another length"),
    ]:
        open(path, "wb").write(bad)
        try:
            server.execute("SELECT count(*) FROM lake.vectors")
            raise AssertionError("a damaged vector was read")
        except psycopg.Error as error:
            assert part in str(error) and not error.sqlstate.startswith("XX"), error
    open(path, "wb").write(body)
    expect("SELECT count(*) FROM lake.vectors", [(len(alive),)])
    wrong = {**made[0], "cardinality": 1}
    remove = {"remove": {"path": "a.parquet", "dataChange": True, "deletionVector": made[0]}}
    commit(folder, version + 1, [remove, {"add": {**add, "deletionVector": wrong}}])
    fails("SELECT count(*) FROM lake.vectors", "22P04", "more rows than the log says")


def mapping():
    for mode in ("name", "id"):
        name = f"mapped_{mode}"
        folder = f"{FOLDER}/{name}"

        def named(name, id, type):
            return pa.field(name, type, metadata={"PARQUET:field_id": str(id)})

        inner = pa.struct([named("col-5", 5, pa.int64()), named("col-6", 6, pa.string())])
        schema = pa.schema([named("col-1", 1, pa.int64()), named("col-2", 2, pa.string()), named("col-4", 4, inner)])
        rows = pa.table(
            [[1, 2, 3], ["x", None, "z"], [{"col-5": 7, "col-6": "in"}, None, {"col-5": None, "col-6": "y"}]], schema=schema
        )
        fields = [
            field("Renamed", "string", 2, "col-2"),
            field("id", "long", 1, "col-1"),
            field("s", {"type": "struct", "fields": [field("b", "string", 6, "col-6"), field("a", "long", 5, "col-5")]}, 4, "col-4"),
            field("later", "long", 9, "col-9"),
            field("part", "string", 3, "col-3"),
        ]
        add = data_file(folder, "a.parquet", rows)
        add["partitionValues"] = {"col-3": "p"}
        add["stats"] = json.dumps({"numRecords": 3, "minValues": {"col-1": 1}, "maxValues": {"col-1": 3}, "nullCount": {"col-1": 0}})
        add["deletionVector"] = inline([2])
        features = ["columnMapping", "deletionVectors"]
        commit(folder, 0, [*begin(features, fields, {"delta.columnMapping.mode": mode}, ["part"]), {"add": add}])
        declare(name, "id bigint, renamed varchar(9), later bigint, s struct<a:bigint,b:varchar(9)>", "part varchar(9)")
        expect(f"SELECT id, renamed, later, part FROM lake.{name}", [(1, "x", None, "p"), (2, None, None, "p")])
        found = server.execute(f"SELECT s FROM lake.{name} WHERE id = 1").fetchone()[0]
        assert json.loads(found) == {"a": 7, "b": "in"}, found
        assert files_read(f"SELECT renamed FROM lake.{name} WHERE id > 3") == 0


def second_version():
    for kind in ("json", "parquet"):
        name = f"v2_{kind}"
        folder = f"{FOLDER}/{name}"
        adds = [data_file(folder, f"{n}.parquet", pa.table({"id": pa.array([n], pa.int64())})) for n in range(5)]
        commit(folder, 0, [*begin(["v2Checkpoint"], [field("id", "long")]), *({"add": add} for add in adds[:3])])
        commit(folder, 1, [{"remove": {"path": "0.parquet", "dataChange": True}}, {"add": adds[3]}])
        add_type = pa.struct(
            [
                ("path", pa.string()),
                ("partitionValues", pa.map_(pa.string(), pa.string())),
                ("size", pa.int64()),
                ("modificationTime", pa.int64()),
                ("dataChange", pa.bool_()),
            ]
        )
        os.makedirs(f"{folder}/_delta_log/_sidecars")
        sidecars = []
        for number, part in enumerate([adds[1:2], adds[2:4]]):
            rows = pa.table({"add": pa.array([{**add, "partitionValues": []} for add in part], add_type)})
            path = f"{number}-{uuid.uuid4()}.parquet"
            pyarrow.parquet.write_table(rows, f"{folder}/_delta_log/_sidecars/{path}")
            size = os.path.getsize(f"{folder}/_delta_log/_sidecars/{path}")
            sidecars.append({"sidecar": {"path": path, "sizeInBytes": size, "modificationTime": 1}})
        start = begin(["v2Checkpoint"], [field("id", "long")])
        actions = [{"checkpointMetadata": {"version": 1}}, *start, *sidecars]
        place = f"{folder}/_delta_log/{1:020}.checkpoint.{uuid.uuid4()}.{kind}"
        if kind == "json":
            open(place, "w").write("\n".join(json.dumps(action) for action in actions))
        else:
            protocol, metadata = start[0]["protocol"], dict(start[1]["metaData"])
            metadata["configuration"] = []
            metadata.pop("format")
            columns = {
                "protocol": pa.array([protocol, None, None, None]),
                "metaData": pa.array(
                    [None, metadata, None, None],
                    pa.struct(
                        [
                            ("id", pa.string()),
                            ("schemaString", pa.string()),
                            ("partitionColumns", pa.list_(pa.string())),
                            ("configuration", pa.map_(pa.string(), pa.string())),
                        ]
                    ),
                ),
                "sidecar": pa.array([None, None, *(one["sidecar"] for one in sidecars)]),
            }
            pyarrow.parquet.write_table(pa.table(columns), place)
        commit(folder, 2, [{"add": adds[4]}])
        for version in (0, 1):
            os.remove(f"{folder}/_delta_log/{version:020}.json")
        declare(name, "id bigint")
        expect(f"SELECT id FROM lake.{name}", [(1,), (2,), (3,), (4,)])
        os.remove(f"{folder}/_delta_log/_sidecars/{sidecars[0]['sidecar']['path']}")
        fails(f"SELECT id FROM lake.{name}", "22P04", "is not there")


for case in (checkpoints, vectors, mapping, second_version):
    case()
    print(case.__name__, flush=True)
print("ok")
