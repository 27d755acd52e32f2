"""External tables in an S3 stand-in on loopback: what is asked of the store, partitions, manifests, writing, limits."""

import io
import json
import os
import socket
import subprocess
import tempfile
import threading
import time

import boto3
import psycopg
import pyarrow
import pyarrow.parquet
from moto import server as moto_server
from moto.server import ThreadedMotoServer

SECRET = "secret-key-that-must-not-show"
PASSWORD = "Test-password-1"
ROWS = 20_000

# Every request as (method, key, range), and how many there were at a time.
asked = []
running = 0
most_running = 0
lock = threading.Lock()
answer = moto_server.DomainDispatcherApplication.__call__


def counted(self, environ, start_response):
    global running, most_running
    with lock:
        asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_RANGE")))
        running += 1
        most_running = max(most_running, running)
    time.sleep(0.01)
    try:
        return answer(self, environ, start_response)
    finally:
        with lock:
            running -= 1


moto_server.DomainDispatcherApplication.__call__ = counted
moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
_, s3_port = moto.get_host_and_port()
endpoint = f"http://127.0.0.1:{s3_port}"
s3 = boto3.client(
    "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key=SECRET
)
s3.create_bucket(Bucket="bucket")

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
        "--listen", f"127.0.0.1:{port}", "--slices", "2",
    ],
    env=environment, stdout=log, stderr=log,
)


def connect():
    for _ in range(600):
        try:
            return psycopg.connect(
                host="127.0.0.1", port=port, user="admin", password=PASSWORD, dbname="dev", sslmode="require",
                autocommit=True,
            )
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise SystemExit("no server")


def rows(sql):
    return connection.execute(sql).fetchall()


def refused(sql):
    try:
        connection.execute(sql)
    except psycopg.Error as error:
        return str(error)
    raise SystemExit(f"should have failed: {sql}")


def put_sales(key, start):
    ids = range(start, start + ROWS)
    columns = {
        "id": pyarrow.array(ids, pyarrow.int64()),
        "amount": pyarrow.array([i % 1000 for i in ids], pyarrow.int32()),
        "place": pyarrow.array([i % 77 for i in ids], pyarrow.int32()),
        "name": pyarrow.array([f"name {i}" for i in ids]),
    }
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer, row_group_size=ROWS // 4, compression="none")
    s3.put_object(Bucket="bucket", Key=key, Body=buffer.getvalue())
    return len(buffer.getvalue())


def during(sql):
    """Runs a query; gives its rows and the object requests it made."""
    with lock:
        asked.clear()
    found = rows(sql)
    with lock:
        gets = [(key, span) for method, key, span in asked if method == "GET" and not key.rstrip("/").endswith("bucket")]
    return found, gets


def keys(prefix):
    return [item["Key"] for item in s3.list_objects_v2(Bucket="bucket", Prefix=prefix).get("Contents", [])]


def span_bytes(gets):
    total = 0
    for _, span in gets:
        first, last = span.removeprefix("bytes=").split("-")
        total += int(last) - int(first) + 1 if first else int(last)
    return total


try:
    sizes = {month: put_sales(f"sales/month={month}/part.parquet", month * ROWS) for month in range(1, 5)}
    connection = connect()
    connection.execute(
        "CREATE EXTERNAL SCHEMA lake FROM DATA CATALOG DATABASE 'lake' IAM_ROLE default CREATE EXTERNAL DATABASE IF NOT EXISTS"
    )

    # Columns, types and partitions are found.
    connection.execute("CREATE EXTERNAL TABLE lake.sales INFER FROM 's3://bucket/sales/'")
    found = rows("SELECT columnname, external_type, part_key FROM svv_external_columns WHERE tablename = 'sales' ORDER BY columnnum")
    assert found == [
        ("id", "bigint", 0), ("amount", "int", 0), ("place", "int", 0), ("name", "varchar(65535)", 0), ("month", "int", 1),
    ], found

    # Only the partition that qualifies is read.
    found, gets = during("SELECT count(*), min(id), max(id) FROM lake.sales WHERE month = 3 AND amount < 500")
    assert found == [(ROWS // 2, 3 * ROWS, 4 * ROWS - 501)], found
    assert gets and all("month=3" in key or "month%3D3" in key for key, _ in gets), gets
    found, gets = during("SELECT sum(amount) FROM lake.sales WHERE month = 3 AND place = 5")
    assert gets and all("month=3" in key or "month%3D3" in key for key, _ in gets), gets

    # Its footer is known by now, so nothing is read of the end of the file.
    ends = [span for _, span in gets if int(span.split("-")[1]) >= sizes[3] - 9]
    assert not ends, gets
    # Three columns that lie beside each other are one request for each of the four row groups.
    found, gets = during("SELECT sum(id), sum(amount), sum(place) FROM lake.sales WHERE month = 3")
    assert 1 <= len(gets) <= 4, gets

    # Files are read side by side.
    most_running = 0
    assert rows("SELECT count(*), sum(amount) FROM lake.sales WHERE name LIKE 'name %'")[0][0] == 4 * ROWS
    assert most_running > 1, most_running

    # Pseudocolumns.
    found = rows('SELECT DISTINCT "$path", "$size" FROM lake.sales WHERE month = 2')
    assert found == [("s3://bucket/sales/month=2/part.parquet", sizes[2])], found

    # A manifest names files, in any order and perhaps one that is not there.
    entries = [
        {"url": "s3://bucket/sales/month=4/part.parquet", "mandatory": True, "meta": {"content_length": sizes[4]}},
        {"url": "s3://bucket/sales/month=9/part.parquet", "meta": {"content_length": 1}},
    ]
    s3.put_object(Bucket="bucket", Key="lists/sales.manifest", Body=json.dumps({"entries": entries}))
    connection.execute(
        "CREATE EXTERNAL TABLE lake.listed (id BIGINT) STORED AS PARQUET LOCATION 's3://bucket/lists/sales.manifest'"
    )
    assert rows("SELECT count(*), min(id) FROM lake.listed") == [(ROWS, 4 * ROWS)]
    assert "at a manifest" in refused("INSERT INTO lake.listed SELECT 1")
    entries[1]["mandatory"] = True
    s3.put_object(Bucket="bucket", Key="lists/sales.manifest", Body=json.dumps({"entries": entries}))
    assert "mandatory in manifest" in refused("SELECT count(*) FROM lake.listed")

    # Tables of queries.
    connection.execute(
        "CREATE EXTERNAL TABLE lake.made PARTITIONED BY (place) STORED AS PARQUET LOCATION 's3://bucket/made/' "
        "AS SELECT id, name, place FROM lake.sales WHERE place < 3"
    )
    folders = {key.split("/")[1] for key in keys("made/")}
    assert folders == {"place=0", "place=1", "place=2"}, folders
    before = rows("SELECT count(*) FROM lake.made")[0][0]
    assert before == rows("SELECT count(*) FROM lake.sales WHERE place < 3")[0][0]
    connection.execute("INSERT INTO lake.made SELECT 7, 'seven', 7 UNION ALL SELECT 8, 'eight', 1")
    assert rows("SELECT count(*), max(place) FROM lake.made") == [(before + 2, 7)]
    assert rows("SELECT count(*) FROM svv_external_partitions WHERE tablename = 'made'") == [(4,)]
    there = keys("made/")
    refused("INSERT INTO lake.made SELECT id, name, 9 / (place - 5) FROM lake.sales")
    assert keys("made/") == there
    assert not s3.list_multipart_uploads(Bucket="bucket").get("Uploads")
    assert "is not empty" in refused(
        "CREATE EXTERNAL TABLE lake.again STORED AS PARQUET LOCATION 's3://bucket/made/' AS SELECT 1 AS a"
    )

    # No more is read than may be.
    total = sum(sizes.values())
    limit = total // 4
    connection.execute(f"SET external_scan_bytes_per_query TO {limit}")
    with lock:
        asked.clear()
    said = refused("SELECT sum(id), min(name), sum(place) FROM lake.sales")
    assert "bytes scanned limit was exceeded" in said and SECRET not in said, said
    with lock:
        gets = [(key, span) for method, key, span in asked if method == "GET" and span]
    assert span_bytes(gets) <= limit * 1.1, (span_bytes(gets), limit)
    connection.execute("RESET external_scan_bytes_per_query")
    scanned = rows("SELECT scanned_bytes_today FROM svv_external_scan_limits WHERE user_name = 'admin'")[0][0]
    assert scanned > 0
    connection.execute(f"SET external_scan_bytes_per_day TO {scanned + 1000}")
    assert "the user today may scan" in refused("SELECT min(name) FROM lake.sales")
    connection.execute("RESET external_scan_bytes_per_day")

    log.flush()
    log.seek(0)
    assert SECRET not in log.read()
    print("ok")
finally:
    server.terminate()
    server.wait(20)
    moto.stop()
