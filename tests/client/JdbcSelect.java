import java.math.BigDecimal;
import java.sql.*;
import java.util.Properties;

/** The PostgreSQL JDBC driver: parameters, types, enough repetitions to switch to binary and named statements. */
public class JdbcSelect {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("user", "admin");
        properties.setProperty("password", arguments[1]);
        properties.setProperty("sslmode", "require");
        try (Connection connection =
                DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + arguments[0] + "/dev", properties)) {
            try (Statement statement = connection.createStatement()) {
                statement.execute("CREATE TABLE jdbc_t (id INTEGER, name VARCHAR(30), price DECIMAL(10,2), made DATE)");
            }
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO jdbc_t VALUES (?, ?, ?, ?)")) {
                for (int number = 0; number < 10; number++) {
                    insert.setInt(1, number);
                    insert.setString(2, "name " + number);
                    insert.setBigDecimal(3, new BigDecimal(number + ".25"));
                    insert.setDate(4, Date.valueOf("2026-11-" + (10 + number)));
                    insert.addBatch();
                }
                insert.executeBatch();
            }
            try (PreparedStatement select = connection.prepareStatement(
                    "SELECT id, name, price, made FROM jdbc_t WHERE id >= ? AND name <> ? ORDER BY id")) {
                for (int round = 0; round < 10; round++) {
                    select.setInt(1, 8);
                    select.setString(2, "name 9");
                    try (ResultSet rows = select.executeQuery()) {
                        check(rows.next());
                        check(rows.getInt(1) == 8);
                        check(rows.getString(2).equals("name 8"));
                        check(rows.getBigDecimal(3).equals(new BigDecimal("8.25")));
                        check(rows.getDate(4).equals(Date.valueOf("2026-11-18")));
                        check(!rows.next());
                    }
                }
            }
            try (Statement statement = connection.createStatement()) {
                statement.executeQuery("SELECT nosuch FROM jdbc_t");
                throw new AssertionError("no error");
            } catch (SQLException error) {
                check(error.getSQLState().equals("42703"));
            }
        }
        System.out.println("ok");
    }

    private static void check(boolean holds) {
        if (!holds) {
            throw new AssertionError();
        }
    }
}
