import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/** What BI tools ask a driver about tables, keys and types. */
public class JdbcMetadata {
    private static List<String> rows(ResultSet result, String... columns) throws Exception {
        List<String> rows = new ArrayList<>();
        while (result.next()) {
            List<String> cells = new ArrayList<>();
            for (String column : columns) {
                cells.add(result.getString(column));
            }
            rows.add(String.join("|", cells));
        }
        return rows;
    }

    private static void check(String what, List<String> found, String... wanted) {
        if (!found.equals(List.of(wanted))) {
            throw new AssertionError(what + ": " + found);
        }
    }

    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/dev";
        try (Connection connection = DriverManager.getConnection(url, "admin", arguments[1])) {
            try (Statement statement = connection.createStatement()) {
                statement.execute("CREATE TABLE region (id INTEGER, part VARCHAR(5), PRIMARY KEY (part, id))");
                statement.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, price DECIMAL(12,2) NOT NULL, "
                    + "region_id INTEGER, region_part VARCHAR(5), "
                    + "FOREIGN KEY (region_part, region_id) REFERENCES region (part, id))");
                statement.execute("CREATE VIEW cheap AS SELECT id FROM orders");
            }
            DatabaseMetaData data = connection.getMetaData();
            check("tables", rows(data.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"}),
                "TABLE_NAME", "TABLE_TYPE"), "orders|TABLE", "region|TABLE", "cheap|VIEW");
            check("columns", rows(data.getColumns(null, "public", "orders", "%"),
                "COLUMN_NAME", "TYPE_NAME", "COLUMN_SIZE", "NULLABLE"),
                "id|int8|19|0", "price|numeric|12|0", "region_id|int4|10|1", "region_part|varchar|5|1");
            check("primary keys", rows(data.getPrimaryKeys(null, "public", "region"),
                "COLUMN_NAME", "KEY_SEQ", "PK_NAME"), "part|1|region_pkey", "id|2|region_pkey");
            String[] keys = {"PKTABLE_NAME", "PKCOLUMN_NAME", "FKTABLE_NAME", "FKCOLUMN_NAME", "KEY_SEQ"};
            String[] wanted = {"region|part|orders|region_part|1", "region|id|orders|region_id|2"};
            check("imported keys", rows(data.getImportedKeys(null, "public", "orders"), keys), wanted);
            check("exported keys", rows(data.getExportedKeys(null, "public", "region"), keys), wanted);
            check("cross reference", rows(data.getCrossReference(null, "public", "region", null, "public", "orders"),
                keys), wanted);
            check("indexes", rows(data.getIndexInfo(null, "public", "orders", true, true),
                "INDEX_NAME", "COLUMN_NAME", "ORDINAL_POSITION"), "orders_pkey|id|1");
            check("row identifier", rows(data.getBestRowIdentifier(null, "public", "orders",
                DatabaseMetaData.bestRowSession, true), "COLUMN_NAME"), "id");
            check("schemas", rows(data.getSchemas(), "TABLE_SCHEM"), "information_schema", "pg_catalog", "public");
            check("catalogs", rows(data.getCatalogs(), "TABLE_CAT"), "dev");
            List<String> types = rows(data.getTypeInfo(), "TYPE_NAME");
            if (!types.contains("int8") || !types.contains("varchar")) {
                throw new AssertionError("types: " + types);
            }
            if (rows(data.getFunctions(null, null, "abs"), "FUNCTION_NAME").isEmpty()) {
                throw new AssertionError("no function abs");
            }
            rows(data.getFunctionColumns(null, null, "abs", "%"), "COLUMN_NAME");
            rows(data.getProcedures(null, null, "%"), "PROCEDURE_NAME");
            rows(data.getTablePrivileges(null, "public", "%"), "PRIVILEGE");
            rows(data.getColumnPrivileges(null, "public", "orders", "%"), "PRIVILEGE");
            rows(data.getVersionColumns(null, "public", "orders"), "COLUMN_NAME");
            System.out.println("ok");
        }
    }
}
