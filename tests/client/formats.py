"""Files of every format that COPY reads, made at random with a reader of their own: the rows and the refused rows must be
those of that reader. Then files in place, which must have the answers of DuckDB.

    python formats.py PORT FOLDER COUNT SEED

COUNT files of each format: delimited, CSV, JSON, Avro, ORC, Parquet. The reader here goes byte by byte or value by value
and knows nothing of the server's; it follows the guide. FOLDER is one that the server may read.
"""

import bz2
import datetime
import decimal
import gzip
import json
import os
import random
import re
import struct
import sys
import zlib

import duckdb
import psycopg
import pyarrow
import pyarrow.orc
import pyarrow.parquet

PORT, FOLDER, COUNT, SEED = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
KEEP_GOING = bool(os.environ.get("KEEP_GOING"))
chance = random.Random(SEED)

COLUMNS = [
    ("a", "INTEGER"), ("b", "BIGINT"), ("d", "DECIMAL(9,2)"), ("f", "DOUBLE PRECISION"), ("s", "VARCHAR(12)"),
    ("c", "CHAR(4)"), ("t", "DATE"), ("m", "TIMESTAMP"), ("o", "BOOLEAN"),
]
NAMES = [name for name, _ in COLUMNS]
KINDS = [kind for _, kind in COLUMNS]


class Bad(Exception):
    """A row is refused: a code of STL_LOAD_ERRORS, and the column to blame."""

    def __init__(self, code, column=""):
        super().__init__(code, column)
        self.code, self.column = code, column


# ---- values -------------------------------------------------------------------------------------------------------

def number(text, pattern, code):
    text = text.strip(" ")
    if not re.fullmatch(pattern, text):
        raise Bad(code)
    return text


def whole(text, bits):
    value = int(number(text, r"[+-]?[0-9]+", 1207))
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise Bad(1222)
    return value


def exact(text):
    value = decimal.Decimal(number(text, r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", 1209))
    value = value.quantize(decimal.Decimal("0.01"), rounding=decimal.ROUND_DOWN)
    if abs(value) >= 10**7:
        raise Bad(1204)
    return value + 0


def double(text):
    value = float(number(text, r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", 1208))
    if value in (float("inf"), float("-inf")):
        raise Bad(1204)
    return value


def characters(data, width, options):
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Bad(1220) from None
    if options.get("TRIMBLANKS"):
        text = text.rstrip(" ")
    return fitted(text, width, options)


def fitted(text, width, options):
    if len(text.encode()) <= width:
        return text
    cut = text.encode()[:width].decode(errors="ignore")
    if options.get("TRUNCATECOLUMNS") or not text[len(cut):].strip(" "):
        return cut
    raise Bad(1204)


def convert(kind, data, options):
    """Makes a value of the bytes of a field, which is not null."""
    if kind.startswith("VARCHAR"):
        return characters(data, 12, options)
    if kind.startswith("CHAR"):
        if any(byte > 127 for byte in data):
            raise Bad(1215)
        return fitted(data.decode().rstrip(" "), 4, options)
    text = data.decode(errors="replace")
    if not text.strip():
        return None
    if kind == "INTEGER":
        return whole(text, 32)
    if kind == "BIGINT":
        return whole(text, 64)
    if kind.startswith("DECIMAL"):
        return exact(text)
    if kind.startswith("DOUBLE"):
        return double(text)
    if kind == "BOOLEAN":
        word = text.strip().lower()
        if word in ("t", "true", "y", "yes", "1"):
            return True
        if word in ("f", "false", "n", "no", "0"):
            return False
        raise Bad(1210)
    if kind == "DATE":
        try:
            return datetime.date.fromisoformat(number(text, r"\d\d\d\d-\d\d-\d\d", 1205))
        except ValueError:
            raise Bad(1205) from None
    try:
        return datetime.datetime.strptime(number(text, r"[-0-9]{10} [0-9:]{8}", 1206), "%Y-%m-%d %H:%M:%S")
    except ValueError:
        raise Bad(1206) from None


def row_of(fields, options):
    """Makes a row of fields: bytes, and whether they are null."""
    row = []
    for (name, kind), (data, is_null) in zip(COLUMNS, fields):
        try:
            is_text = "CHAR" in kind
            if is_text and not is_null:
                is_null = (options.get("EMPTYASNULL") and data == b"") or (
                    options.get("BLANKSASNULL") and data != b"" and not data.strip(b" "))
            row.append(None if is_null else convert(kind, data, options))
        except Bad as bad:
            raise Bad(bad.code, name) from None
    return tuple(row)


def value(kind):
    """A value of a type, as Python has it."""
    if chance.random() < 0.1:
        return None
    if kind == "INTEGER":
        return chance.choice([0, -1, 2**31 - 1, -(2**31), chance.randrange(-1000, 1000)])
    if kind == "BIGINT":
        return chance.choice([0, 2**63 - 1, -(2**63), chance.randrange(-(10**12), 10**12)])
    if kind.startswith("DECIMAL"):
        return decimal.Decimal(chance.choice([0, 999_999_999, -999_999_999, chance.randrange(-50_000, 50_000)])) / 100
    if kind.startswith("DOUBLE"):
        return chance.choice([0.0, 1.5, -2e300, 1 / 3, chance.uniform(-1000, 1000)])
    if kind.startswith("VARCHAR"):
        return chance.choice(["", "plain", "two words", "\u00e4\u00f6\u00fc", "\u65e5\u672c\u8a9e", "\U0001f600", "a'b", "x" * 12, " lead", "NULL"])
    if kind.startswith("CHAR"):
        return chance.choice(["", "ab", "abcd", "z"])
    if kind == "DATE":
        return datetime.date(1970, 1, 1) + datetime.timedelta(days=chance.randrange(-90_000, 90_000))
    if kind == "TIMESTAMP":
        return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=chance.randrange(-(10**9), 4 * 10**9))
    return chance.random() < 0.5


def text_of(kind, item):
    if isinstance(item, bool):
        return chance.choice(["t", "true", "YES", "1"] if item else ["f", "False", "n", "0"])
    if isinstance(item, float):
        return repr(item)
    if isinstance(item, datetime.datetime):
        return item.strftime("%Y-%m-%d %H:%M:%S")
    return str(item)


ODD = {
    "INTEGER": ["x", "1.5", "2147483648", "--1", " 7 ", "+8", "1 2", ""],
    "BIGINT": ["9223372036854775808", "0x1", "1e3", "\t", "12a"],
    "DECIMAL(9,2)": ["1.999", "10000000", "1.2.3", "-", ".5", "7.", "1e2"],
    "DOUBLE PRECISION": ["1e999", "one", "1e", ".", "-.5e-3", "5."],
    "VARCHAR(12)": ["x" * 13, "x" * 12 + "   ", "\u65e5" * 5, "   ", "trail  "],
    "CHAR(4)": ["abcde", "ab   ", "\u00e4", "    "],
    "DATE": ["2020-02-30", "2020-13-01", "never", "20-01-01", "2020-02-29"],
    "TIMESTAMP": ["2020-01-01 25:00:00", "noon", "2020-01-01 00:00:61"],
    "BOOLEAN": ["maybe", "2", "TRUE", "tru"],
}


def texts(odd=0.02):
    """The texts of a row; None for null."""
    found = []
    for kind in KINDS:
        item = value(kind)
        text = None if item is None else text_of(kind, item)
        found.append(chance.choice(ODD[kind]) if chance.random() < odd else text)
    return found


# ---- delimited text -----------------------------------------------------------------------------------------------

def lines_of(data):
    """Cuts at newlines; a carriage return before one belongs to it."""
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return [line[:-1] if line.endswith(b"\r") else line for line in lines]


def read_delimited(data, options):
    delimiter, null = options["delimiter"].encode(), options["null"].encode()
    rows, refused = [], []
    for place, line in enumerate(lines_of(data), 1):
        if place <= options["header"]:
            continue
        if options.get("IGNOREBLANKLINES") and line == b"":
            continue
        fields = line.split(delimiter)
        if len(fields) == len(COLUMNS) + 1 and fields[-1] == b"":
            fields.pop()
        try:
            if len(fields) > len(COLUMNS):
                raise Bad(1202)
            missing = len(COLUMNS) - len(fields)
            if missing and (not options.get("FILLRECORD") or line == b""):
                raise Bad(1214)
            fields = [(field, field == null) for field in fields] + [(b"", False)] * missing
            rows.append(row_of(fields, options))
        except Bad as bad:
            refused.append((place, bad.code, bad.column))
    return rows, refused


def make_delimited():
    options = {"delimiter": chance.choice("|,;~\t"), "null": chance.choice(["\\N", "NULL", "-"]), "header": chance.choice([0, 0, 2])}
    for name in ("FILLRECORD", "EMPTYASNULL", "BLANKSASNULL", "IGNOREBLANKLINES", "TRIMBLANKS", "TRUNCATECOLUMNS"):
        options[name] = chance.random() < 0.3
    if options["null"] == "":
        options["EMPTYASNULL"] = False
    end = chance.choice(["\n", "\n", "\r\n"])
    lines = []
    for _ in range(chance.choice([0, 1, 3, 40, 200])):
        fields = [options["null"] if text is None else text for text in texts()]
        fields = [field.replace(options["delimiter"], "_") for field in fields]
        kind = chance.random()
        if kind < 0.02:
            fields.append("more")
        elif kind < 0.04:
            fields = fields[: chance.randrange(1, len(fields))]
        elif kind < 0.05:
            fields = [""]
        elif kind < 0.07:
            fields.append("")
        lines.append(options["delimiter"].join(fields))
    data = end.join(["head"] * options["header"] + lines)
    if lines and chance.random() < 0.8:
        data += end
    words = [f"DELIMITER '{options['delimiter']}'".replace("\t", "\\t"), f"NULL AS '{options['null']}'", f"IGNOREHEADER {options['header']}"]
    words += [name for name, is_on in options.items() if is_on is True]
    data = data.encode()
    if chance.random() < 0.2 and data.count(b"plain"):
        data = data.replace(b"plain", b"pl\xe4in", 1)
    elif chance.random() < 0.2:
        encoding, name = chance.choice([("utf-16-le", "UTF16LE"), ("utf-16-be", "UTF16BE")])
        return data.decode().encode(encoding), words + [f"ENCODING {name}"], read_delimited(data, options)
    return data, words, read_delimited(data, options)


# ---- CSV ----------------------------------------------------------------------------------------------------------

def read_csv(data, options):
    """Reads character by character."""
    delimiter, null = options["delimiter"].encode(), b"\\N"
    rows, refused, at, line = [], [], 0, 1
    while at < len(data):
        begin, fields, is_broken, is_over = line, [], False, False
        while not is_over:
            start = at
            while data[at:at + 1] == b" ":
                at += 1
            is_quoted = data[at:at + 1] == b'"'
            field = b""
            if is_quoted:
                at += 1
                while True:
                    here = data[at:at + 1]
                    if here == b"":
                        is_broken = True
                        break
                    at += 1
                    if here == b"\n":
                        line += 1
                    if here != b'"':
                        field += here
                    elif data[at:at + 1] == b'"':
                        field += here
                        at += 1
                    else:
                        break
            else:
                at = start
            rest = b""
            while data[at:at + 1] not in (b"", b"\n", delimiter):
                rest += data[at:at + 1]
                at += 1
            is_over = data[at:at + 1] != delimiter
            at += 1
            if is_over and rest.endswith(b"\r"):
                rest = rest[:-1]
            if is_quoted:
                is_broken |= rest.strip(b" ") != b""
            else:
                field = rest
            fields.append((field, not is_quoted and field == null))
            quoted_last = is_quoted
        line += 1
        if len(fields) == len(COLUMNS) + 1 and fields[-1][0] == b"" and not quoted_last:
            fields.pop()
        try:
            if is_broken:
                raise Bad(1214)
            if len(fields) > len(COLUMNS):
                raise Bad(1202)
            if len(fields) < len(COLUMNS):
                raise Bad(1214)
            rows.append(row_of(fields, options))
        except Bad as bad:
            refused.append((begin, bad.code, bad.column))
    return rows, refused


def make_csv():
    options = {"delimiter": chance.choice(",,;|")}
    for name in ("EMPTYASNULL", "BLANKSASNULL", "TRUNCATECOLUMNS"):
        options[name] = chance.random() < 0.3
    data = b""
    for _ in range(chance.choice([0, 1, 3, 40, 200])):
        fields = []
        for kind, text in zip(KINDS, texts()):
            if text is None:
                fields.append(b"\\N")
                continue
            if kind.startswith("VARCHAR") and chance.random() < 0.3:
                text = chance.choice(['a"b', "a,b;c|d", "two\nlines", "\r\n", '"', '""', "q'"])
            field = text.encode()
            if chance.random() < 0.3 or any(each in field for each in b'",;|\n\r'):
                field = b'"' + field.replace(b'"', b'""') + b'"'
                field = chance.choice([field, field, b"  " + field + b" "])
            fields.append(field)
        kind = chance.random()
        if kind < 0.02:
            fields.append(b"more")
        elif kind < 0.04:
            fields.pop()
        elif kind < 0.05:
            fields[4] = b'"open" x'
        data += options["delimiter"].encode().join(fields) + chance.choice([b"\n", b"\n", b"\r\n"])
    words = ["CSV", f"DELIMITER '{options['delimiter']}'"] + [name for name, is_on in options.items() if is_on is True]
    return data, words, read_csv(data, options)


# ---- JSON ---------------------------------------------------------------------------------------------------------

def read_json(documents):
    rows, refused, line = [], [], 1
    for text in documents:
        line += text.count("\n")
        try:
            found = json.loads(text)
            if not isinstance(found, dict):
                raise ValueError
        except ValueError:
            refused.append((line, 1216, ""))
            line += 1
            continue
        line += 1
        fields = []
        for name in NAMES:
            item = found.get(name)
            if item is None:
                fields.append((b"", True))
            elif isinstance(item, bool):
                fields.append((str(item).lower().encode(), False))
            elif isinstance(item, str):
                fields.append((item.encode(), False))
            elif isinstance(item, (list, dict)):
                fields.append((json.dumps(item, separators=(",", ":")).encode(), False))
            else:
                # As it is written: the last one of the key.
                raw = re.findall(r'"%s" *: *([-+.0-9eE]+)' % name, text)[-1]
                fields.append((raw.encode(), False))
        try:
            rows.append(row_of(fields, {}))
        except Bad as bad:
            refused.append((line - 1, bad.code, bad.column))
    return rows, refused


def make_json():
    documents = []
    for _ in range(chance.choice([0, 1, 3, 40, 200])):
        members = []
        for (name, kind), text in zip(COLUMNS, texts()):
            if chance.random() < 0.1:
                continue
            if text is None:
                shown = "null"
            elif re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", text) and chance.random() < 0.7:
                shown = text
            elif kind == "BOOLEAN" and text in ("true", "false"):
                shown = text
            elif kind.startswith("VARCHAR") and chance.random() < 0.05:
                shown = chance.choice(['{"x": 1}', "[1, 2]", '""'])
                shown = shown.replace(" ", "")
            else:
                shown = json.dumps(text, ensure_ascii=chance.random() < 0.5)
            members.append(f'"{name}"{chance.choice([":", " : "])}{shown}')
        members.append('"more": {"nested": [1, "}"]}')
        chance.shuffle(members)
        text = "{" + chance.choice([",", ", "]).join(members) + "}"
        kind = chance.random()
        if kind < 0.03:
            text = chance.choice(["nothing", "{,}", '{"a": }', "[1, 2}", '{"a" 1}'])
        documents.append(text)
    return ("\n".join(documents) + "\n").encode(), ["JSON 'auto'"], read_json(documents)


# ---- Avro ---------------------------------------------------------------------------------------------------------

def avro_long(item):
    item = (item << 1) ^ (item >> 63)
    item &= 2**64 - 1
    out = b""
    while item > 0x7F:
        out += bytes([item & 0x7F | 0x80])
        item >>= 7
    return out + bytes([item])


def avro_bytes(data):
    return avro_long(len(data)) + data


AVRO_TYPES = {
    "INTEGER": ["int", "long", "string"],
    "BIGINT": ["long"],
    "DECIMAL(9,2)": [{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, "string"],
    "DOUBLE PRECISION": ["double"],
    "VARCHAR(12)": ["string", "bytes"],
    "CHAR(4)": ["string"],
    "DATE": [{"type": "int", "logicalType": "date"}, "string"],
    "TIMESTAMP": [
        {"type": "long", "logicalType": "timestamp-millis"}, {"type": "long", "logicalType": "local-timestamp-micros"}, "string",
    ],
    "BOOLEAN": ["boolean"],
}


def avro_value(ty, item):
    name = ty if isinstance(ty, str) else ty["type"]
    if name == "boolean":
        return bytes([item])
    if name == "double":
        return struct.pack("<d", item)
    if isinstance(item, decimal.Decimal) and name == "bytes":
        unscaled = int(item * 100)
        return avro_bytes(unscaled.to_bytes((unscaled.bit_length() + 8) // 8, "big", signed=True))
    if isinstance(item, datetime.datetime) and name == "long":
        us = (item - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)
        return avro_long(us // 1000 if ty["logicalType"] == "timestamp-millis" else us)
    if isinstance(item, datetime.date) and name == "int":
        return avro_long((item - datetime.date(1970, 1, 1)).days)
    if name in ("int", "long"):
        return avro_long(item)
    return avro_bytes(item if isinstance(item, bytes) else str(item).encode())


def avro_file(fields, rows, codec):
    """Writes rows of values, in blocks."""
    schema = {"type": "record", "name": "r", "fields": [{"name": name, "type": ty} for name, ty in fields]}
    sync = chance.randbytes(16)
    out = b"Obj\x01" + avro_long(2) + avro_bytes(b"avro.schema") + avro_bytes(json.dumps(schema).encode())
    out += avro_bytes(b"avro.codec") + avro_bytes(codec.encode()) + b"\0" + sync
    for start in range(0, len(rows), 50):
        block = b"".join(
            b"".join(avro_long(ty.index("null")) if item is None else
                     avro_long(1 - ty.index("null")) + avro_value(ty[1 - ty.index("null")], item)
                     for (_, ty), item in zip(fields, row))
            for row in rows[start:start + 50])
        if codec == "deflate":
            packer = zlib.compressobj(wbits=-15)
            block = packer.compress(block) + packer.flush()
        elif codec == "bzip2":
            block = bz2.compress(block)
        elif codec == "snappy":
            block = pyarrow.compress(block, codec="snappy", asbytes=True) + struct.pack(">I", zlib.crc32(block))
        elif codec == "zstandard":
            block = pyarrow.compress(block, codec="zstd", asbytes=True)
        out += avro_long(len(rows[start:start + 50])) + avro_bytes(block) + sync
    return out


def typed_rows(count):
    return [[value(kind) for kind in KINDS] for _ in range(count)]


def make_avro():
    fields = []
    for name, kind in COLUMNS:
        ty = [chance.choice(AVRO_TYPES[kind])]
        ty.insert(chance.choice([0, 1]), "null")
        fields.append((name, ty))
    rows, refused = typed_rows(chance.choice([0, 1, 3, 120, 300])), []
    good = []
    for place, row in enumerate(rows, 1):
        wrong = ""
        for at, (name, kind) in enumerate(COLUMNS):
            inner = [ty for ty in fields[at][1] if ty != "null"][0]
            if chance.random() < 0.01 and not wrong:
                wrong = name
                code = 1204
                if kind.startswith("VARCHAR"):
                    row[at] = "y" * 13
                elif kind.startswith("CHAR"):
                    row[at], code = "\u00e4", 1215
                elif kind == "INTEGER" and inner == "long":
                    row[at], code = 2**31, 1222
                elif kind == "DATE" and inner == "string":
                    row[at], code = "soon", 1205
                else:
                    wrong = ""
                if wrong:
                    refused.append((place, code, name))
        if not wrong:
            good.append(tuple(row))
    for at, (_, ty) in enumerate(fields):
        if "bytes" in ty:
            for row in rows:
                row[at] = None if row[at] is None else row[at].encode()
    extra = ("more", ["null", {"type": "array", "items": "int"}])
    codec = chance.choice(["null", "deflate", "snappy", "zstandard", "bzip2"])
    chance.choice([0, 1])
    data = avro_file(fields + [extra], [row + [None] for row in rows], codec)
    return data, ["AVRO 'auto'"], (good, refused)


# ---- files of columns ---------------------------------------------------------------------------------------------

ARROW = {
    "INTEGER": pyarrow.int32(), "BIGINT": pyarrow.int64(), "DECIMAL(9,2)": pyarrow.decimal128(9, 2), "DOUBLE PRECISION": pyarrow.float64(),
    "VARCHAR(12)": pyarrow.string(), "CHAR(4)": pyarrow.string(), "DATE": pyarrow.date32(), "TIMESTAMP": pyarrow.timestamp("us"),
    "BOOLEAN": pyarrow.bool_(),
}


def table_of(rows):
    columns = [pyarrow.array([row[at] for row in rows], type=ARROW[kind]) for at, kind in enumerate(KINDS)]
    return pyarrow.table(columns, names=NAMES)


def columnar_rows():
    rows = typed_rows(chance.choice([0, 1, 3, 120, 300]))
    refused = []
    if rows and chance.random() < 0.3:
        place = chance.randrange(len(rows))
        rows[place][4] = "y" * 13
        refused = [(place + 1, 1204, "s")]
    return rows, refused


def make_orc():
    rows, refused = columnar_rows()
    sink = pyarrow.BufferOutputStream()
    codec = chance.choice(["uncompressed", "snappy", "zlib", "zstd", "lz4"])
    pyarrow.orc.write_table(table_of(rows), sink, compression=codec, stripe_size=chance.choice([1 << 12, 1 << 20]))
    return sink.getvalue().to_pybytes(), ["ORC"], ([tuple(row) for row in rows], refused)


def make_parquet():
    rows, refused = columnar_rows()
    sink = pyarrow.BufferOutputStream()
    codec = chance.choice(["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
    pyarrow.parquet.write_table(table_of(rows), sink, compression=codec, row_group_size=chance.choice([7, 100, 1000]), use_dictionary=chance.random() < 0.5)
    return sink.getvalue().to_pybytes(), ["PARQUET"], ([tuple(row) for row in rows], refused)


# ---- the comparison -----------------------------------------------------------------------------------------------

FORMATS = {
    "delimited": make_delimited, "csv": make_csv, "json": make_json, "avro": make_avro, "orc": make_orc, "parquet": make_parquet,
}
different = 0


def shown(rows):
    def item(at, each):
        if isinstance(each, decimal.Decimal):
            return each.quantize(decimal.Decimal("0.01")) + 0
        # Blanks at the end of CHAR do not count.
        return each.rstrip(" ") if at == 5 and each is not None else each

    return sorted(repr(tuple(item(at, each) for at, each in enumerate(row))) for row in rows)


def differs(what, path, expected, found):
    global different
    different += 1
    missing = [each for each in expected if each not in found]
    more = [each for each in found if each not in expected]
    print(f"{what} differs for {path} (seed {SEED})\n  missing: {missing[:3]}\n  more: {more[:3]}", flush=True)
    if not KEEP_GOING:
        sys.exit(1)


def load(server, name, number):
    data, words, (rows, refused) = FORMATS[name]()
    path = os.path.join(FOLDER, f"{name}.{number}")
    is_columnar = name in ("orc", "parquet")
    if not is_columnar:
        packing = chance.choice(["", "", "GZIP", "BZIP2"])
        data = {"GZIP": gzip.compress, "BZIP2": bz2.compress}.get(packing, bytes)(data)
        words = words + [packing, "MAXERROR 100000"]
    with open(path, "wb") as file:
        file.write(data)
    server.execute("TRUNCATE t")
    statement = f"COPY t FROM 'file://{path}' {' '.join(words)}"
    try:
        server.execute(statement)
    except psycopg.Error as error:
        if not (is_columnar and refused):
            differs(statement, path, ["rows"], [str(error)])
        rows = []
    else:
        if is_columnar and refused:
            differs(statement, path, refused, [])
    found = server.execute(f"SELECT {', '.join(NAMES)} FROM t").fetchall()
    if shown(rows) != shown(found):
        differs(f"rows of {statement}", path, shown(rows), shown(found))
    query = "pg_last_copy_id()" if not is_columnar else "(SELECT max(query) FROM stl_load_errors)"
    errors = server.execute(f"SELECT line_number, err_code, trim(colname) FROM stl_load_errors WHERE query = {query} ORDER BY 1").fetchall()
    if is_columnar and not refused:
        errors = []
    if errors != refused[:1000]:
        differs(f"refused rows of {statement}", path, refused, errors)
    os.remove(path)
    return len(rows), len(refused)


def in_place(server, number):
    """The same rows in files of every format, read in place, asked as DuckDB is asked."""
    rows = [[chance.randrange(1000), *row[1:]] for row in typed_rows(400)]
    rows = [[item if not isinstance(item, str) else item.replace("NULL", "null") for item in row] for row in rows]
    table = table_of(rows)
    folder = os.path.join(FOLDER, f"place{number}")
    os.mkdir(folder)
    paths = {name: os.path.join(folder, name, "part") for name in ("csv", "json", "avro", "orc", "parquet", "text")}
    for path in paths.values():
        os.mkdir(os.path.dirname(path))
    pyarrow.parquet.write_table(table, paths["parquet"], row_group_size=100)
    pyarrow.orc.write_table(table, paths["orc"], compression="zstd", stripe_size=1 << 12)
    with open(paths["csv"], "w", newline="") as file:
        for row in rows:
            quoted = ['"' + text_of("", item).replace('"', '""') + '"' if isinstance(item, str) else "" if item is None else str(item) for item in row]
            file.write(",".join(quoted) + "\n")
    with gzip.open(paths["text"] + ".gz", "wt") as file:
        for row in rows:
            file.write("|".join("\\N" if item is None else str(item) for item in row) + "\n")
    with open(paths["json"], "w") as file:
        for row in rows:
            members = {name: item if isinstance(item, (int, float, str, type(None))) else str(item) for name, item in zip(NAMES, row)}
            file.write(json.dumps(members, ensure_ascii=chance.random() < 0.5) + "\n")
    fields = [(name, ["null", AVRO_TYPES[kind][0]]) for name, kind in COLUMNS]
    with open(paths["avro"], "wb") as file:
        file.write(avro_file(fields, rows, "deflate"))
    duck = duckdb.connect()
    types = "{" + ", ".join(f"'{name}': '{kind.replace('CHAR(4)', 'VARCHAR') if kind == 'CHAR(4)' else kind}'" for name, kind in COLUMNS) + "}"
    duck.register("arrow_rows", pyarrow.orc.read_table(paths["orc"]))
    theirs = {
        "parquet": f"read_parquet('{paths['parquet']}')",
        "orc": "arrow_rows",
        "csv": f"read_csv('{paths['csv']}', header = false, columns = {types}, allow_quoted_nulls = false)",
        "json": f"read_json('{paths['json']}', format = 'newline_delimited', columns = {types})",
        # DuckDB reads Avro with an extension that is not always there.
        "avro": "arrow_rows",
        "text": "arrow_rows",
    }
    formats = {
        "parquet": "STORED AS PARQUET", "orc": "STORED AS ORC", "avro": "STORED AS AVRO",
        "csv": "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' STORED AS TEXTFILE",
        "json": "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' STORED AS TEXTFILE",
        "text": "ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' STORED AS TEXTFILE",
    }
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS)
    low, high = sorted((chance.randrange(1000), chance.randrange(1000)))
    queries = [
        "SELECT a, b, d, f, s, c, t, m, o FROM {0}",
        f"SELECT b, s FROM {{0}} WHERE a BETWEEN {low} AND {high}",
        "SELECT count(*), count(s), sum(d), min(t), max(m), count(o) FROM {0}",
        "SELECT o, count(*), sum(a) FROM {0} WHERE d > 0 AND s <> 'plain' GROUP BY o",
        "SELECT count(*) FROM {0} WHERE t >= '1990-01-01'",
    ]
    for name, clause in formats.items():
        table_name = f"lake.{name}_{number}"
        server.execute(f"CREATE EXTERNAL TABLE {table_name} ({columns}) {clause} LOCATION 'file://{os.path.dirname(paths[name])}/'")
        for query in queries:
            expected = duck.execute(query.format(theirs[name])).fetchall()
            found = server.execute(query.format(table_name)).fetchall()

            def plain(rows):
                # An empty text of CSV is null there; blanks at the end of CHAR do not count.
                def item(each):
                    if isinstance(each, str):
                        return each.rstrip(" ") or (None if name == "csv" else "")
                    return decimal.Decimal(each).normalize() + 0 if isinstance(each, (int, decimal.Decimal)) and not isinstance(each, bool) else each

                return sorted(repr(tuple(item(each) for each in row)) for row in rows)

            if name == "csv" and ("count(s)" in query or "<>" in query):
                continue
            if plain(expected) != plain(found):
                differs(f"{name}: {query}", folder, plain(expected), plain(found))
        server.execute(f"DROP TABLE {table_name}")


with psycopg.connect(
    host="127.0.0.1", port=PORT, user="admin", password="Test-password-1", dbname="dev", sslmode="require", autocommit=True
) as server:
    server.execute("SET extra_float_digits = 2")
    server.execute(f"CREATE TABLE t ({', '.join(f'{name} {kind}' for name, kind in COLUMNS)})")
    server.execute("CREATE EXTERNAL SCHEMA lake FROM DATA CATALOG DATABASE 'lake' IAM_ROLE default CREATE EXTERNAL DATABASE IF NOT EXISTS")
    for name in FORMATS:
        loaded = [load(server, name, number) for number in range(COUNT)]
        print(name, "files:", COUNT, "rows:", sum(rows for rows, _ in loaded), "refused:", sum(refused for _, refused in loaded), flush=True)
    for number in range(max(2, COUNT // 40)):
        in_place(server, number)
assert not different, f"{different} differ"
print("ok")
