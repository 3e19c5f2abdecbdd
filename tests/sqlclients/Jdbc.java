// PostgreSQL's JDBC driver: both protocols, prepared statements, batches, cursors, metadata, cancelling, and TLS.
// Arguments: host, port, user, password, the authority's certificate.

import java.math.BigDecimal;
import java.sql.*;
import java.util.*;

public class Jdbc {
    static String[] args;

    static Connection connect(String... more) throws SQLException {
        Properties properties = new Properties();
        properties.put("user", args[2]);
        properties.put("password", args[3]);
        for (int i = 0; i < more.length; i += 2) properties.put(more[i], more[i + 1]);
        return DriverManager.getConnection("jdbc:postgresql://" + args[0] + ":" + args[1] + "/dev", properties);
    }

    static void check(boolean holds, Object what) {
        if (!holds) throw new AssertionError(what);
    }

    static List<String> column(ResultSet rows, String name) throws SQLException {
        List<String> found = new ArrayList<>();
        while (rows.next()) found.add(rows.getString(name));
        return found;
    }

    static String refused(Connection connection, String sql) {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
            return "accepted";
        } catch (SQLException error) {
            return error.getSQLState();
        }
    }

    public static void main(String[] given) throws Exception {
        args = given;
        for (String mode : List.of("disable", "require", "verify-ca", "verify-full"))
            connect("sslmode", mode, "sslrootcert", args[4]).close();

        // Whatever the protocol, the same rows.
        for (String mode : List.of("simple", "extended", "extendedForPrepared"))
            for (String binary : List.of("true", "false"))
                try (Connection connection = connect("preferQueryMode", mode, "binaryTransfer", binary, "prepareThreshold", "2")) {
                    // In the simple protocol the driver writes `'-12.3456'::numeric`, which has no decimals on Redshift.
                    rows(connection, mode + " " + binary, mode.equals("simple") ? "-12.0000" : "-12.3456");
                }
        try (Connection connection = connect()) {
            pieces(connection);
            trees(connection);
            mistakes(connection);
            cancelled(connection);
        }
        System.out.println("ok");
    }

    static void rows(Connection connection, String how, String stored) throws Exception {
        try (Statement statement = connection.createStatement()) {
            statement.execute("create temp table kinds (id int, big bigint, n numeric(12,4), f float8, t varchar(40), day date, at timestamp, yes boolean)");
        }
        String insert = "insert into kinds values (?, ?, ?, ?, ?, ?, ?, ?)";
        try (PreparedStatement statement = connection.prepareStatement(insert)) {
            for (int i = 0; i < 5; i++) {
                statement.setInt(1, i);
                statement.setLong(2, 1L << 40);
                statement.setBigDecimal(3, new BigDecimal("-12.3456"));
                statement.setDouble(4, 0.1);
                statement.setString(5, "it's Łódź");
                statement.setDate(6, java.sql.Date.valueOf("2024-02-29"));
                statement.setTimestamp(7, Timestamp.valueOf("2024-02-29 12:30:01.0005"));
                statement.setBoolean(8, true);
                statement.addBatch();
            }
            int[] counts = statement.executeBatch();
            check(Arrays.stream(counts).allMatch(count -> count == 1), how + Arrays.toString(counts));
        }
        try (PreparedStatement statement = connection.prepareStatement("select * from kinds where id >= ? order by id")) {
            // Again and again: the driver names the statement and asks for binary values after a while.
            for (int again = 0; again < 4; again++) {
                statement.setInt(1, 3);
                try (ResultSet rows = statement.executeQuery()) {
                    check(rows.next() && rows.getInt(1) == 3, how);
                    check(rows.getLong(2) == 1L << 40, how);
                    check(rows.getBigDecimal(3).equals(new BigDecimal(stored)), how + rows.getBigDecimal(3));
                    check(rows.getDouble(4) == 0.1, how);
                    check(rows.getString(5).equals("it's Łódź"), how);
                    check(rows.getDate(6).equals(java.sql.Date.valueOf("2024-02-29")), how);
                    check(rows.getTimestamp(7).equals(Timestamp.valueOf("2024-02-29 12:30:01.0005")), how + rows.getTimestamp(7));
                    check(rows.getBoolean(8), how);
                    check(rows.next() && !rows.next(), how);
                    ResultSetMetaData about = rows.getMetaData();
                    check(about.getColumnTypeName(3).equals("numeric") && about.getPrecision(3) == 12 && about.getScale(3) == 4, how);
                    check(about.getColumnTypeName(5).equals("varchar") && about.getPrecision(5) == 40, how);
                }
            }
        }
        try (Statement statement = connection.createStatement()) {
            check(statement.execute("update kinds set yes = false; select count(*) from kinds") == false, how);
            check(statement.getUpdateCount() == 5 && statement.getMoreResults(), how);
            check(statement.getResultSet().next() && statement.getResultSet().getInt(1) == 5, how);
        }
    }

    /** A fetch size inside a transaction makes the driver take a portal piece by piece. */
    static void pieces(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(100);
            try (ResultSet rows = statement.executeQuery("with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000) select i from n order by i")) {
                long sum = 0;
                int count = 0;
                while (rows.next()) {
                    sum += rows.getInt(1);
                    count++;
                }
                check(count == 1000 && sum == 500500, count + " " + sum);
            }
        }
        connection.rollback();
        connection.setAutoCommit(true);
    }

    /** What tools such as DBeaver ask before they show a tree of tables. */
    static void trees(Connection connection) throws Exception {
        DatabaseMetaData about = connection.getMetaData();
        check(about.getDatabaseProductVersion().equals("8.0.2"), about.getDatabaseProductVersion());
        try (Statement statement = connection.createStatement()) {
            statement.execute("drop schema if exists jdbc_tree cascade");
            statement.execute("create schema jdbc_tree");
            statement.execute("create table jdbc_tree.leaf (id int not null primary key, name varchar(10) default 'x', amount numeric(9,2))");
            statement.execute("comment on table jdbc_tree.leaf is 'green'");
            statement.execute("create view jdbc_tree.shade as select id, name from jdbc_tree.leaf");
        }
        check(column(about.getCatalogs(), "TABLE_CAT").contains("dev"), "catalogs");
        check(column(about.getSchemas(), "TABLE_SCHEM").contains("jdbc_tree"), "schemas");
        check(column(about.getTables(null, "jdbc_tree", "%", null), "TABLE_NAME").equals(List.of("leaf", "shade")), "tables");
        check(column(about.getTables(null, "jdbc_tree", "%", new String[] {"VIEW"}), "TABLE_NAME").equals(List.of("shade")), "views");
        try (ResultSet tables = about.getTables(null, "jdbc_tree", "leaf", new String[] {"TABLE"})) {
            check(tables.next() && tables.getString("REMARKS").equals("green"), "remarks");
        }
        try (ResultSet columns = about.getColumns(null, "jdbc_tree", "leaf", "%")) {
            check(columns.next() && columns.getString("COLUMN_NAME").equals("id") && columns.getInt("NULLABLE") == 0, "id");
            check(columns.next() && columns.getInt("COLUMN_SIZE") == 10 && columns.getString("COLUMN_DEF") != null, "name");
            check(columns.next() && columns.getInt("COLUMN_SIZE") == 9 && columns.getInt("DECIMAL_DIGITS") == 2, "amount");
            check(!columns.next(), "three columns");
        }
        column(about.getTableTypes(), "TABLE_TYPE");
        column(about.getFunctions(null, null, "%"), "FUNCTION_NAME");
        column(about.getProcedures(null, null, "%"), "PROCEDURE_NAME");
        column(about.getTablePrivileges(null, "jdbc_tree", "leaf"), "PRIVILEGE");
        column(about.getIndexInfo(null, "jdbc_tree", "leaf", false, false), "INDEX_NAME");
        try (Statement statement = connection.createStatement()) {
            statement.execute("drop schema jdbc_tree cascade");
        }
    }

    static void mistakes(Connection connection) throws Exception {
        check(refused(connection, "select * from nothing_here").equals("42P01"), "42P01");
        check(refused(connection, "selekt 1").equals("42601"), "42601");
        connection.setAutoCommit(false);
        refused(connection, "select 1/0");
        check(refused(connection, "select 1").equals("25P02"), "25P02");
        connection.rollback();
        Savepoint none = null;
        try {
            none = connection.setSavepoint();
        } catch (SQLException error) {
            check(error.getSQLState().equals("0A000"), error);
        }
        check(none == null, "Redshift has no savepoints");
        connection.rollback();
        connection.setAutoCommit(true);
    }

    static void cancelled(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            statement.executeQuery("with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000000) select sum(i) from n");
            throw new AssertionError("it ended");
        } catch (SQLException error) {
            check("57014".equals(error.getSQLState()), error);
        }
        check(refused(connection, "select 1").equals("accepted"), "the connection lives on");
    }
}
