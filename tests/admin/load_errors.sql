-- Refused rows with the COPY that met them.
SELECT e.query, trim(e.filename) AS file, e.line_number, trim(e.colname) AS colname, trim(e.raw_field_value) AS value, trim(e.err_reason) AS reason,
       trim(q.querytxt) AS copy, c.relname, e.err_code BETWEEN 1200 AND 1224 AND q.aborted = 1 AS ok
FROM stl_load_errors e
JOIN stl_query q ON q.query = e.query
JOIN pg_class c ON c.oid = e.tbl
