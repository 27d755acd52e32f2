"""COPY from an S3 stand-in on loopback: prefix, manifest, compression, missing keys; secrets stay secret."""

import bz2
import gzip
import json
import os
import socket
import subprocess
import tempfile
import time

import boto3
import psycopg
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
text = lambda first: "".join(f"{n}|name {n}\n" for n in range(first, first + 1000)).encode()
s3.put_object(Bucket="bucket", Key="plain/part-0", Body=text(0))
s3.put_object(Bucket="bucket", Key="plain/part-1", Body=text(1000))
s3.put_object(Bucket="bucket", Key="gz/part-0.gz", Body=gzip.compress(text(0)) + gzip.compress(text(1000)))
s3.put_object(Bucket="bucket", Key="odd/null", Body=b"-1|a\n5|b\n")
s3.put_object(Bucket="bucket", Key="odd/quotes", Body=b"7|\"a|b\"\n8|'c'\n")
s3.put_object(Bucket="bucket", Key="odd/csv", Body=b'1,5" pipe\n' + b'2,"two\nlines"\n' * 1_500_000)
s3.put_object(Bucket="bucket", Key="odd/wrong", Body=b"1;abc\n" * 1_000_000)
s3.put_object(Bucket="bucket", Key="bz/part-0.bz2", Body=bz2.compress(text(0)))
manifest = {
    "entries": [
        {"url": "s3://bucket/plain/part-1", "mandatory": True},
        {"url": "s3://bucket/not-there", "mandatory": False},
    ]
}
s3.put_object(Bucket="bucket", Key="m/optional", Body=json.dumps(manifest).encode())
manifest["entries"][1]["mandatory"] = True
s3.put_object(Bucket="bucket", Key="m/mandatory", Body=json.dumps(manifest).encode())
manifest = {"entries": [{"url": "s3://bucket/plain/part-1", "mandatory": True, "meta": {"content_length": 3}}]}
s3.put_object(Bucket="bucket", Key="m/length", Body=json.dumps(manifest).encode())

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
    [os.environ["BLUESHIFT_BINARY"], "serve", "--data", os.path.join(folder.name, "data"), "--listen", f"127.0.0.1:{port}"],
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
    keys = f"ACCESS_KEY_ID 'key' SECRET_ACCESS_KEY '{SECRET}'"
    credentials = f"CREDENTIALS 'aws_access_key_id=key;aws_secret_access_key={SECRET}'"
    role = "IAM_ROLE 'arn:aws:iam::123456789012:role/load'"

    def load(tail, expected):
        connection.execute("CREATE TABLE t (id INTEGER, name VARCHAR(20))")
        connection.execute(f"COPY t FROM {tail}")
        got = connection.execute("SELECT count(*), sum(id) FROM t").fetchone()
        assert tuple(int(value) for value in got) == expected, (tail, got)
        connection.execute("DROP TABLE t")

    two, one, second = (2000, 1999000), (1000, 499500), (1000, 1499500)
    load(f"'s3://bucket/plain/part' {keys}", two)
    load(f"'s3://bucket/plain/part-1' {credentials}", second)
    load(f"'s3://bucket/plain/' {role} REGION 'us-east-1'", two)
    load(f"'s3://bucket/gz/' {role} GZIP", two)
    load(f"'s3://bucket/bz/' {role} BZIP2", one)
    load(f"'s3://bucket/m/optional' {keys} MANIFEST", second)

    load(f"'s3://bucket/odd/null' {keys} NULL AS '-1'", (2, 5))
    load(f"'s3://bucket/odd/quotes' {keys} REMOVEQUOTES", (2, 15))
    # A quote inside a field is data, and so it must not move the places where a large file is cut.
    load(f"'s3://bucket/odd/csv' {keys} CSV", (1_500_001, 3_000_001))

    connection.execute("CREATE TABLE t (id INTEGER, name VARCHAR(20))")

    def refuse(tail, *words):
        try:
            connection.execute(f"COPY t FROM {tail}")
            raise SystemExit(f"no error: {tail}")
        except psycopg.Error as error:
            shown = f"{error} {error.diag.message_detail} {error.diag.message_hint}"
            assert SECRET not in shown, shown
            for word in words:
                assert word in shown, (word, shown)

    refuse(f"'s3://bucket/m/mandatory' {keys} MANIFEST", "not-there")
    refuse(f"'s3://bucket/m/length' {keys} MANIFEST", "part-1")
    refuse(f"'s3://bucket/nothing/' {keys}", "nothing/")
    # Every one of a million rows is bad; the answer must not take longer for that.
    refuse(f"'s3://bucket/odd/wrong' {keys}", "stl_load_errors", "odd/wrong", "line 1,", "Delimiter not found")
    refuse(f"'s3://no-such-bucket/x' {keys}", "no-such-bucket", "Error NoSuchBucket")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    shown = str(connection.execute("SELECT * FROM stl_query").fetchall())
    assert "COPY t" in shown and SECRET not in shown
    log.flush()
    log.seek(0)
    assert SECRET not in log.read()
finally:
    server.kill()
    server.wait()
    moto.stop()
print("ok")
