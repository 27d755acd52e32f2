"""Makes and loads the tables of a suite in DuckDB."""

import re
import time


def load(connection, tables, schema, only=None):
    """Creates each table of the schema, or one, loads its files, and gives the seconds of each load."""
    seconds = {}
    for statement in schema.split(";"):
        found = re.match(r"\s*CREATE TABLE (\w+)", statement)
        if not found or (only and found[1] != only):
            continue
        name = found[1]
        # DuckDB has no physical design: the columns alone.
        body = statement[: statement.rindex(")\nDIST") + 1].strip()
        body = body.replace(" NOT NULL", "")
        connection.execute(body)
        begun = time.perf_counter()
        columns = connection.execute(
            f"SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = '{name}' ORDER BY column_index"
        ).fetchall()
        # Every line ends with a delimiter, which the reader takes for one more column.
        types = ", ".join(f"'{column}': '{kind}'" for column, kind in columns + [("rest", "VARCHAR")])
        connection.execute(
            f"INSERT INTO {name} SELECT * EXCLUDE (rest) FROM read_csv('{tables}/{name}.tbl.*', delim='|',"
            f" header=false, quote='', escape='', auto_detect=false, columns={{{types}}})"
        )
        seconds[name] = time.perf_counter() - begun
    return seconds


def rows_as_text(rows):
    """Gives rows as the driver reads them."""
    return [[None if cell is None else str(cell) for cell in row] for row in rows]
