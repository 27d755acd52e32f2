"""COPY JOB over an S3 stand-in on loopback: what comes is loaded once, what is bad is parked, nothing secret is kept."""

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
PATIENCE = 60

moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
_, s3_port = moto.get_host_and_port()
endpoint = f"http://127.0.0.1:{s3_port}"
s3 = boto3.client(
    "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key=SECRET
)
s3.create_bucket(Bucket="bucket")


def put(key, first, rows=10, text=None):
    body = text or "".join(f"{n}|name {n}\n" for n in range(first, first + rows))
    s3.put_object(Bucket="bucket", Key=key, Body=body.encode())


put("in/before", 0)
put("other/a", 0)

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
folder = tempfile.TemporaryDirectory()
environment = dict(
    os.environ,
    BLUESHIFT_ADMIN_PASSWORD=PASSWORD,
    BLUESHIFT_COPY_JOB_INTERVAL_MS="100",
    AWS_ENDPOINT_URL=endpoint,
    AWS_REGION="us-east-1",
    AWS_ACCESS_KEY_ID="key",
    AWS_SECRET_ACCESS_KEY=SECRET,
)
log = open(os.path.join(folder.name, "log"), "w+")
data = os.path.join(folder.name, "data")


def start():
    return subprocess.Popen(
        [os.environ["BLUESHIFT_BINARY"], "serve", "--data", data, "--listen", f"127.0.0.1:{port}"],
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
    raise SystemExit("the server does not answer")


server = start()
try:
    connection = connect()

    def rows(sql):
        return [tuple(row) for row in connection.execute(sql).fetchall()]

    def until(sql, expected):
        begun = time.monotonic()
        while rows(sql) != expected:
            if time.monotonic() - begun > PATIENCE:
                told = rows("SELECT message FROM sys_copy_job_info")
                raise SystemExit(f"{sql}: {rows(sql)}, not {expected}; {told}")
            time.sleep(0.05)

    role = "IAM_ROLE 'arn:aws:iam::123456789012:role/load'"
    connection.execute("CREATE TABLE t (id INTEGER, name VARCHAR(20))")
    try:
        keys = f"ACCESS_KEY_ID 'key' SECRET_ACCESS_KEY '{SECRET}'"
        connection.execute(f"COPY t FROM 's3://bucket/in/' {keys} JOB CREATE j")
        raise SystemExit("a job kept keys")
    except psycopg.errors.FeatureNotSupported as error:
        assert SECRET not in str(error), error
    connection.execute(f"COPY t FROM 's3://bucket/in/' {role} REGION 'us-east-1' JOB CREATE j")
    put("in/a", 0)
    put("in/b", 10)
    count = "SELECT count(*)::int, count(DISTINCT id)::int FROM t"
    until(count, [(20, 20)])
    detail = "SELECT file_location, file_name, file_size, length(file_etag), status FROM sys_copy_job_detail ORDER BY 2"
    assert rows(detail) == [("bucket", "in/a", 90, 32, "I"), ("bucket", "in/b", 110, 32, "I")], rows(detail)
    # Put again as it was: the same file. With other bytes: another.
    put("in/a", 0)
    put("in/bad", 0, text="x|y\n")
    put("in/b", 20)
    until(count, [(30, 30)])
    states = "SELECT status, count(*)::int FROM sys_copy_job_detail GROUP BY 1 ORDER BY 1"
    until(states, [("E", 1), ("I", 3)])
    # A mended file takes the place of the parked one; a removed one leaves its rows.
    s3.delete_object(Bucket="bucket", Key="in/a")
    put("in/bad", 30)
    until(states, [("I", 4)])
    assert rows(count) == [(40, 40)]
    # Names under a longer prefix, many at a time, over a kill.
    for number in range(300):
        put(f"in/many/{number:03}", 1000 + 10 * number)
        if number == 150:
            server.kill()
            server.wait()
            server = start()
    connection = connect()
    until(count, [(3040, 3040)])
    until(states, [("I", 304)])
    # A bucket that is gone fails the job, blames no file, and is told once.
    moto.stop()
    until("SELECT count(*) > 0 FROM sys_copy_job_info WHERE message LIKE '%could not run%'", [(True,)])
    assert rows(states) == [("I", 304)]
    job = rows("SELECT trim(iam_role), job_text, is_auto FROM sys_copy_job")
    assert job[0][0] == "arn:aws:iam::123456789012:role/load" and job[0][2] == 1, job
    tables = ["sys_copy_job", "sys_copy_job_detail", "sys_copy_job_info", "stl_query", "sys_load_history"]
    for table in tables:
        assert SECRET not in str(rows(f"SELECT * FROM {table}")), table
    assert SECRET not in str(rows("COPY JOB SHOW j")) + str(rows("COPY JOB LIST"))
    log.flush()
    log.seek(0)
    assert SECRET not in log.read()
    server.terminate()
    assert server.wait() == 0
    for place, _, files in os.walk(data):
        for name in files:
            with open(os.path.join(place, name), "rb") as file:
                assert SECRET.encode() not in file.read(), name
finally:
    server.kill()
    server.wait()
print("ok")
