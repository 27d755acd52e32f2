"""SQLsmith: random statements over the tables, functions and operators the catalog names; none may crash or end in XX000.

usage: sqlsmith.py SEED STATEMENTS

SQLsmith asks for catalogs of later PostgreSQL versions, and its library refuses servers before 9.0, as both would
refuse Redshift. So it talks through a relay that gives another `server_version` and answers what it asks about types,
operators and functions from tables of our own making; tables and columns are the real ones. The relay also counts the
codes of all answers and keeps the statements that met a bug of ours.
"""

import collections
import os
import re
import socket
import struct
import subprocess
import sys
import threading

import psycopg

seed, statements = int(sys.argv[1]), int(sys.argv[2])
port = int(os.environ["BLUESHIFT_PORT"])
login = f"host=127.0.0.1 user=admin password={os.environ['PGPASSWORD']} dbname=dev sslmode=disable"
codes = collections.Counter()
bugs = []
answered = [0]

SCHEMA = """
CREATE SCHEMA shop;
CREATE TABLE shop.item (id INTEGER PRIMARY KEY, label VARCHAR(30) NOT NULL, price DECIMAL(12,2), weight REAL,
    made DATE, sold TIMESTAMP, seen TIMESTAMPTZ, kept BOOLEAN) DISTKEY(id) SORTKEY(made, id);
CREATE TABLE shop.sale (sale_id BIGINT, item_id INTEGER REFERENCES shop.item, amount DOUBLE PRECISION, code CHAR(4),
    many SMALLINT, at TIME, note VARCHAR(200)) DISTSTYLE EVEN;
CREATE TABLE shop.thing (id INTEGER, body SUPER, bytes VARBYTE(16)) DISTSTYLE ALL;
CREATE TABLE shop.nothing (a INTEGER, b VARCHAR(10), c DATE);
CREATE VIEW shop.sold AS SELECT i.id, i.label, s.amount, s.many FROM shop.item i JOIN shop.sale s ON s.item_id = i.id;
INSERT INTO shop.item VALUES (1, 'one', 1.5, 2.5, '2024-02-29', '2024-02-29 10:11:12', '2024-02-29 10:11:12+00', true),
    (2, 'two', -99.99, 'NaN', '1999-12-31', NULL, NULL, false), (3, '', NULL, NULL, NULL, '2001-01-01', NULL, NULL),
    (-2147483648, 'häh', 9999999999.99, 1e30, '9999-12-31', '9999-12-31 23:59:59', '0001-01-01 00:00:00+00', true);
INSERT INTO shop.sale SELECT id::BIGINT * 7, id, id / 3.0, LEFT(label, 3), id % 100, '10:11:12', label || ' note'
    FROM shop.item WHERE id > 0;
INSERT INTO shop.sale VALUES (9223372036854775807, NULL, 1e308, NULL, -32768, '23:59:59.999999', NULL);
INSERT INTO shop.thing VALUES (1, JSON_PARSE('{"a": [1, 2, {"b": null}]}'), '\\xdead'::VARBYTE), (2, NULL, NULL);
"""

# What SQLsmith may call, as "result name(arguments)"; a letter stands for each of its types in turn.
LETTERS = {"N": ["int2", "int4", "int8", "numeric", "float4", "float8"], "I": ["int2", "int4", "int8"],
           "T": ["date", "timestamp", "timestamptz"], "F": ["numeric", "float8"],
           "A": ["int2", "int4", "int8", "numeric", "float4", "float8", "varchar", "bpchar", "bool", "date", "timestamp",
                 "timestamptz", "time"]}
FUNCTIONS = """
N abs(N); float8 acos(float8); float8 asin(float8); float8 atan(float8); float8 atan2(float8,float8);
float8 cbrt(float8); F ceil(F); F floor(F); float8 cos(float8); float8 cot(float8); float8 degrees(float8);
float8 exp(float8); float8 ln(float8); float8 log(float8); float8 pi(); float8 power(float8,float8);
float8 radians(float8); numeric round(numeric,int4); F round(F); F trunc(F); N sign(N); float8 sin(float8);
float8 sqrt(float8); float8 tan(float8); int4 ascii(varchar); varchar btrim(varchar); int4 char_length(varchar);
int4 charindex(varchar,varchar); varchar chr(int4); varchar concat(varchar,varchar); varchar initcap(varchar);
varchar left(varchar,int4); varchar right(varchar,int4); int4 len(varchar); int4 length(varchar); varchar lower(varchar);
varchar upper(varchar); varchar lpad(varchar,int4,varchar); varchar rpad(varchar,int4); varchar ltrim(varchar);
varchar md5(varchar); varchar sha1(varchar); varchar sha2(varchar,int4); int4 octet_length(varchar);
varchar quote_ident(varchar); varchar quote_literal(varchar); int4 regexp_count(varchar,varchar);
int4 regexp_instr(varchar,varchar); varchar regexp_replace(varchar,varchar,varchar);
varchar regexp_substr(varchar,varchar); varchar repeat(varchar,int2); varchar replace(varchar,varchar,varchar);
varchar reverse(varchar); varchar split_part(varchar,varchar,int4); int4 strpos(varchar,varchar);
varchar strtol(varchar,int4); varchar substring(varchar,int4,int4); varchar translate(varchar,varchar,varchar);
varchar to_hex(I); varchar crc32(varchar); int4 levenshtein(varchar,varchar); varchar soundex(varchar);
timestamp add_months(date,I); date last_day(date); date next_day(date,varchar); int4 months_between(date,date);
varchar to_char(T,varchar); varchar to_char(F,varchar); date to_date(varchar,varchar);
timestamptz to_timestamp(varchar,varchar); numeric to_number(varchar,varchar); timestamp date_trunc(varchar,timestamp);
float8 date_part(varchar,T); timestamp trunc(timestamp); timestamp convert_timezone(varchar,timestamp);
int4 date_cmp(date,date); varchar json_typeof(super);
super json_parse(varchar); varchar json_serialize(super); bool is_valid_json(varchar); bool is_array(super);
varchar json_extract_path_text(varchar,varchar); int4 json_array_length(varchar); super array(int4,int4);
int4 get_array_length(super); super object(varchar,int4); varbyte to_varbyte(varchar,varchar); varchar from_hex(varchar);
int4 farmfingerprint64(varchar); A nvl2(A,A,A); A greatest(A,A); A least(A,A); A nvl(A,A); 
int4 pg_backend_pid(); bool has_table_privilege(varchar,varchar); varchar pg_get_userbyid(oid);
varchar format_type(oid,int4); varchar pg_get_viewdef(oid); float8 random()
"""
AGGREGATES = """
int8 count(A); A min(A); A max(A); N sum(N); N avg(N); float8 stddev(N); float8 var_samp(N); float8 stddev_pop(N);
bool bool_and(bool); bool bool_or(bool); I bit_and(I); I bit_or(I); varchar listagg(varchar);
float8 median(N); A any_value(A)
"""
OPERATORS = """
N +(N,N); N -(N,N); N *(N,N); N /(N,N); I %(I,I); I &(I,I); I |(I,I); I #(I,I); I <<(I,int4); I >>(I,int4);
float8 ^(float8,float8); bool =(A,A); bool <>(A,A); bool <(A,A); bool <=(A,A); bool >(A,A); bool >=(A,A);
varchar ||(varchar,varchar); bool ~~(varchar,varchar); bool !~~(varchar,varchar); bool ~(varchar,varchar);
bool ~~*(varchar,varchar); date +(date,int4); date -(date,int4); int4 -(date,date); float8 +(float8,N); N *(N,int2);
bool =(int4,N); bool <(timestamp,date)
"""


def signatures(text):
    """Gives each signature with its letters replaced: name, result, arguments."""
    for entry in text.replace("\n", " ").split(";"):
        result, name, arguments = re.fullmatch(r"(\w+) (.*?)\((.*)\)", entry.strip()).groups()
        parts = [result, *(arguments.split(",") if arguments else [])]
        letter = next((part for part in parts if part in LETTERS), None)
        for word in LETTERS.get(letter, [None]):
            yield name, *(word if part == letter else part for part in parts)


def prepare(connection):
    """Makes the tables the relay answers from."""
    types = dict(connection.execute("SELECT typname, oid::INTEGER FROM pg_type").fetchall())
    rows = {"types": [(name, oid, "b") for name, oid in types.items()] + [("internal", 2281, "p"), ("anyarray", 2277, "p")],
            "operators": [], "routines": [], "arguments": []}
    rows["operators"] = [(name, *(types[word] for word in (left, right, result)))
                         for name, result, left, right in signatures(OPERATORS)]
    number = 1
    for kind, text in (("f", FUNCTIONS), ("a", AGGREGATES)):
        for name, result, *arguments in signatures(text):
            rows["routines"].append((number, name, types[result], kind))
            rows["arguments"] += [(number, place, types[word]) for place, word in enumerate(arguments)]
            number += 1
    connection.execute("CREATE SCHEMA smith")
    shapes = {"types": "name VARCHAR(64), oid INTEGER, kind CHAR(1)",
              "operators": "name VARCHAR(8), l INTEGER, r INTEGER, result INTEGER",
              "routines": "number INTEGER, name VARCHAR(64), result INTEGER, kind CHAR(1)",
              "arguments": "number INTEGER, place INTEGER, type INTEGER"}
    for table, shape in shapes.items():
        connection.execute(f"CREATE TABLE smith.{table} ({shape})")
        places = ", ".join(["(" + ", ".join(["%s"] * len(rows[table][0])) + ")"] * len(rows[table]))
        connection.execute(f"INSERT INTO smith.{table} VALUES {places}", [cell for row in rows[table] for cell in row])


ANSWERS = [
    (r"select case typnamespace .*", "SELECT name, oid, ',', 0, 0, 0, kind FROM smith.types"),
    (r"select table_name, table_schema, is_insertable_into, table_type from information_schema.tables",
     "SELECT table_name, table_schema, CASE table_type WHEN 'BASE TABLE' THEN 'YES' ELSE 'NO' END, table_type"
     " FROM information_schema.tables WHERE table_schema <> 'smith'"),
    (r"select oprname, .*", "SELECT name, l, r, result FROM smith.operators"),
    (r"select \(select nspname .* and not \(proretset or (?:proiswindow|prokind = 'w')\) and .*",
     "SELECT 'pg_catalog', number, result, name FROM smith.routines WHERE kind = 'a'"),
    (r"select \(select nspname .*", "SELECT 'pg_catalog', number, result, name FROM smith.routines WHERE kind = 'f'"),
    (r"select unnest\(proargtypes\) .*oid = '(\d+)'.*",
     r"SELECT type FROM smith.arguments WHERE number = \1 ORDER BY place"),
]


def answerable(statement):
    """Gives a question about the catalog as one Redshift's catalog can answer; every other statement as it is."""
    for pattern, replacement in ANSWERS:
        if re.fullmatch(pattern, statement, re.DOTALL):
            return re.sub(pattern, replacement, statement, flags=re.DOTALL)
    return statement


def read_exactly(source, size):
    parts = bytearray()
    while len(parts) < size:
        part = source.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def relay(client):
    """Carries one connection: the client's bytes as they are, the server's message by message."""
    server = socket.create_connection(("127.0.0.1", port))
    last = [""]
    for side in (client, server):
        side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def forward():
        try:
            start = read_exactly(client, 4)
            server.sendall(start + read_exactly(client, struct.unpack(">I", start)[0] - 4))
            while True:
                head = read_exactly(client, 5)
                body = read_exactly(client, struct.unpack(">I", head[1:])[0] - 4)
                if head[:1] == b"Q":
                    last[0] = answerable(body.rstrip(b"\0").decode())
                    body = last[0].encode() + b"\0"
                    head = b"Q" + struct.pack(">I", len(body) + 4)
                server.sendall(head + body)
        except (EOFError, OSError):
            server.close()

    threading.Thread(target=forward, daemon=True).start()
    try:
        while True:
            head = read_exactly(server, 5)
            body = read_exactly(server, struct.unpack(">I", head[1:])[0] - 4)
            if head[:1] == b"S" and body.startswith(b"server_version\0"):
                body = b"server_version\x0014.0\0"
                head = b"S" + struct.pack(">I", len(body) + 4)
            elif head[:1] == b"E":
                fields = {part[:1]: part[1:].decode() for part in body.split(b"\0") if part}
                codes[fields[b"C"]] += 1
                if fields[b"C"].startswith("XX"):
                    bugs.append((fields[b"M"], last[0]))
            elif head[:1] == b"Z":
                answered[0] += 1
            client.sendall(head + body)
    except (EOFError, OSError):
        client.close()


def listen():
    while True:
        client, _ = listener.accept()
        threading.Thread(target=relay, args=(client,), daemon=True).start()


with psycopg.connect(f"{login} port={port}", autocommit=True, client_encoding="utf8") as connection:
    connection.execute(SCHEMA)
    prepare(connection)
listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=listen, daemon=True).start()
target = f"{login} port={listener.getsockname()[1]}"
smith = subprocess.run(
    ["sqlsmith", f"--target={target}", f"--seed={seed}", f"--max-queries={statements}"], capture_output=True, text=True)
print(f"seed {seed}, {answered[0]} answers, codes: {dict(codes.most_common())}")
for message, statement in bugs:
    print(f"BUG {message}\n{statement}\n")
assert smith.returncode == 0, smith.stdout[-2000:] + smith.stderr[-2000:]
with psycopg.connect(f"{login} port={port}") as connection:
    assert connection.execute("SELECT count(*) FROM shop.item").fetchone() == (4,)
assert not bugs, f"{len(bugs)} statements ended in XX000"
assert answered[0] >= statements, answered
print("ok")
