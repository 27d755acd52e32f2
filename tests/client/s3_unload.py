"""UNLOAD to an S3 stand-in on loopback: names, parts, Parquet, encryption, and nothing left of what failed."""

import base64
import gzip
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
import pyarrow.parquet
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from moto.server import ThreadedMotoServer

SECRET = "secret-key-that-must-not-show"
PASSWORD = "Test-password-1"

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


def names(prefix):
    return [item["Key"] for item in s3.list_objects_v2(Bucket="bucket", Prefix=prefix).get("Contents", [])]


def body(key):
    return s3.get_object(Bucket="bucket", Key=key)["Body"].read()


def unfinished():
    return s3.list_multipart_uploads(Bucket="bucket").get("Uploads", [])


try:
    connection = connect()
    keys = f"ACCESS_KEY_ID 'key' SECRET_ACCESS_KEY '{SECRET}'"
    connection.execute("CREATE TABLE t (id INTEGER, name VARCHAR(60)) DISTSTYLE EVEN")
    connection.execute(
        "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999) "
        "SELECT a.i * 1000 + b.i, 'name ' || a.i::varchar || '|' || md5(b.i::varchar) FROM n a, n b WHERE a.i < 400"
    )

    # Two slices of some 10 MB: parts, and files of 5 MB.
    connection.execute(f"UNLOAD ('SELECT * FROM t') TO 's3://bucket/text/t_' {keys} MANIFEST VERBOSE ESCAPE MAXFILESIZE 5 MB")
    files = [name for name in names("text/") if not name.endswith("manifest")]
    assert files and all(name.startswith(("text/t_0000_part_0", "text/t_0001_part_0")) for name in files), files
    sizes = [len(body(name)) for name in files]
    assert max(sizes) <= 5 << 20 and len(files) >= 4, sizes
    lines = b"".join(body(name) for name in files).splitlines()
    assert len(lines) == 400_000 and len(set(lines)) == 400_000
    manifest = json.loads(body("text/t_manifest"))
    assert [entry["url"] for entry in manifest["entries"]] == [f"s3://bucket/{name}" for name in files]
    assert [entry["meta"]["content_length"] for entry in manifest["entries"]] == sizes
    assert manifest["meta"] == {"content_length": sum(sizes), "record_count": 400_000}
    connection.execute("CREATE TABLE back (LIKE t)")
    connection.execute(f"COPY back FROM 's3://bucket/text/t_manifest' {keys} MANIFEST ESCAPE")
    differs = "SELECT count(*) FROM (SELECT * FROM t EXCEPT SELECT * FROM back) q"
    assert connection.execute(differs).fetchone() == (0,)

    # One file of several parts, compressed.
    connection.execute(f"UNLOAD ('SELECT * FROM t ORDER BY id') TO 's3://bucket/serial/' {keys} PARALLEL OFF GZIP")
    assert names("serial/") == ["serial/000.gz"]
    text = gzip.decompress(body("serial/000.gz")).splitlines()
    assert len(text) == 400_000 and text[0].startswith(b"0|") and text[-1].startswith(b"399999|")

    connection.execute(
        f"UNLOAD ('SELECT id, name, id % 3 AS k FROM t') TO 's3://bucket/parquet' {keys} FORMAT PARQUET PARTITION BY (k)"
    )
    files = names("parquet/")
    assert files == [f"parquet/k={k}/000{slice}_part_00.parquet" for k in range(3) for slice in range(2)], files
    tables = [pyarrow.parquet.read_table(io.BytesIO(body(name)), partitioning=None) for name in files]
    assert sum(table.num_rows for table in tables) == 400_000
    assert tables[0].schema.names == ["id", "name"]
    metadata = pyarrow.parquet.ParquetFile(io.BytesIO(body(files[0]))).metadata
    assert metadata.row_group(0).column(0).compression == "SNAPPY" and metadata.format_version == "1.0"

    # The store is asked to encrypt.
    connection.execute(f"UNLOAD ('SELECT 1') TO 's3://bucket/sse/a_' {keys} ENCRYPTED PARALLEL OFF")
    assert s3.head_object(Bucket="bucket", Key="sse/a_000")["ServerSideEncryption"] == "AES256"
    connection.execute(f"UNLOAD ('SELECT 1') TO 's3://bucket/sse/k_' {keys} KMS_KEY_ID 'a-key' ENCRYPTED PARALLEL OFF")
    head = s3.head_object(Bucket="bucket", Key="sse/k_000")
    assert head["ServerSideEncryption"] == "aws:kms" and "a-key" in head["SSEKMSKeyId"], head

    # Encrypted before the files reach the store: an independent reader opens them, and COPY loads them again.
    master_bytes = os.urandom(32)
    master = base64.b64encode(master_bytes).decode()

    def opened(key):
        held = s3.get_object(Bucket="bucket", Key=key)
        metadata = held["Metadata"]
        unwrap = Cipher(algorithms.AES(master_bytes), modes.ECB()).decryptor()
        wrapped = unwrap.update(base64.b64decode(metadata["x-amz-key"])) + unwrap.finalize()
        file_key = wrapped[: -wrapped[-1]]
        vector = modes.CBC(base64.b64decode(metadata["x-amz-iv"]))
        decryptor = Cipher(algorithms.AES(file_key), vector).decryptor()
        text = decryptor.update(held["Body"].read()) + decryptor.finalize()
        return text[: -text[-1]]

    sealed = f"{keys} MASTER_SYMMETRIC_KEY '{master}' ENCRYPTED"
    connection.execute(f"UNLOAD ('SELECT * FROM t') TO 's3://bucket/sealed/a_' {sealed} MANIFEST VERBOSE ESCAPE")
    manifest = json.loads(opened("sealed/a_manifest"))
    files = [entry["url"].removeprefix("s3://bucket/") for entry in manifest["entries"]]
    for entry, key in zip(manifest["entries"], files):
        assert entry["meta"]["content_length"] == s3.head_object(Bucket="bucket", Key=key)["ContentLength"]
        assert b"name" not in body(key)
    rows = connection.execute("SELECT count(*), sum(id) FROM t").fetchone()
    assert sum(opened(key).count(b"\n") for key in files) == rows[0]
    connection.execute("CREATE TABLE opened_again (LIKE t)")
    connection.execute(f"COPY opened_again FROM 's3://bucket/sealed/a_manifest' {sealed} MANIFEST ESCAPE")
    assert connection.execute("SELECT count(*), sum(id) FROM opened_again").fetchone() == rows
    connection.execute(f"UNLOAD ('SELECT * FROM t') TO 's3://bucket/sealed/z_' {sealed} GZIP ESCAPE PARALLEL OFF")
    assert gzip.decompress(opened("sealed/z_000.gz")).count(b"\n") == rows[0]
    connection.execute("TRUNCATE opened_again")
    inside = f"aws_access_key_id=key;aws_secret_access_key={SECRET};master_symmetric_key={master}"
    connection.execute(f"COPY opened_again FROM 's3://bucket/sealed/z_' CREDENTIALS '{inside}' ENCRYPTED GZIP ESCAPE")
    assert connection.execute("SELECT count(*), sum(id) FROM opened_again").fetchone() == rows
    other = base64.b64encode(os.urandom(32)).decode()
    for wrong, word in [(other, "MASTER_SYMMETRIC_KEY"), ("c2hvcnQ=", "256 bits")]:
        try:
            connection.execute(f"COPY opened_again FROM 's3://bucket/sealed/z_' {keys} MASTER_SYMMETRIC_KEY '{wrong}' ENCRYPTED GZIP ESCAPE")
            raise SystemExit("loaded with another key")
        except psycopg.Error as error:
            assert word in str(error) and wrong not in error.diag.message_primary, error
    try:
        connection.execute(f"COPY opened_again FROM 's3://bucket/sse/a_' {sealed}")
        raise SystemExit("loaded what is not encrypted")
    except psycopg.Error as error:
        assert "not encrypted by its client" in str(error), error
    for statement in connection.execute("SELECT querytxt FROM stl_query UNION ALL SELECT text FROM stl_querytext").fetchall():
        assert master not in statement[0] and other not in statement[0], statement

    def refuse(statement, *words):
        try:
            connection.execute(statement)
            raise SystemExit(f"no error: {statement}")
        except psycopg.Error as error:
            shown = f"{error} {error.diag.message_detail} {error.diag.message_hint}"
            assert SECRET not in shown, shown
            for word in words:
                assert word in shown, (word, shown)

    refuse(f"UNLOAD ('SELECT 1') TO 's3://bucket/text/t_' {keys}", "Specified unload destination on S3 is not empty")
    refuse(f"UNLOAD ('SELECT 1') TO 's3://no-such-bucket/t_' {keys}", "could not list", "before writing", "no-such-bucket", "NoSuchBucket")
    # What fails late leaves no object and no part of one.
    refuse(
        f"UNLOAD ('SELECT id, name, 1 / (id - 399999) FROM t') TO 's3://bucket/failed/' {keys} MANIFEST",
        "division by zero",
    )
    assert names("failed/") == [] and unfinished() == []
    refuse(
        f"UNLOAD ('SELECT id, name, 1 / (id - 399999) FROM t') TO 's3://bucket/text/t_' {keys} ESCAPE ALLOWOVERWRITE",
        "division by zero",
    )
    assert sum(len(body(name).splitlines()) for name in names("text/t_0")) == 400_000

    # So does what is canceled.
    other = connect()
    pid = other.execute("SELECT pg_backend_pid()").fetchone()[0]
    slow = "SELECT a.id, a.name FROM t a, t b WHERE a.id + b.id >= 0"
    ended = []

    def run():
        try:
            other.execute(f"UNLOAD ('{slow}') TO 's3://bucket/canceled/' {keys}")
        except psycopg.Error as error:
            ended.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    while not unfinished():
        time.sleep(0.05)
    connection.execute(f"SELECT pg_cancel_backend({pid})")
    thread.join(60)
    assert ended and "cancel" in ended[0], ended
    for _ in range(100):
        if not unfinished():
            break
        time.sleep(0.1)
    assert names("canceled/") == [] and unfinished() == []
    status = "SELECT status FROM sys_unload_history WHERE unloaded_location = 's3://bucket/canceled/'"
    assert connection.execute(status).fetchall() == [("aborted",)]

    # CLEANPATH deletes what begins with the prefix, and nothing else.
    s3.put_object(Bucket="bucket", Key="text/u", Body=b"x")
    connection.execute(f"UNLOAD ('SELECT 1') TO 's3://bucket/text/t_' {keys} CLEANPATH PARALLEL OFF")
    assert names("text/") == ["text/t_000", "text/u"]

    shown = str(connection.execute("SELECT * FROM stl_query").fetchall())
    assert "UNLOAD" in shown and SECRET not in shown
    log.flush()
    log.seek(0)
    assert SECRET not in log.read()
finally:
    server.kill()
    server.wait()
    moto.stop()
print("ok")
