-- May be empty: external tables and their columns; this warehouse has none.
SELECT t.schemaname, t.tablename, t.location, c.columnname, c.external_type
FROM svv_external_tables t
JOIN svv_external_columns c ON c.schemaname = t.schemaname AND c.tablename = t.tablename
