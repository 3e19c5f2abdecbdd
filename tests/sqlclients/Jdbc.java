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
            keys(connection);
            types(connection);
            mistakes(connection);
            cancelled(connection);
        }
        zones();
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
        // As in PostgreSQL, whoever asks for no kind in particular sees the index of the key too.
        check(column(about.getTables(null, "jdbc_tree", "%", null), "TABLE_NAME").equals(List.of("leaf_pkey", "leaf", "shade")), "tables");
        check(column(about.getTables(null, "jdbc_tree", "%", new String[] {"TABLE"}), "TABLE_NAME").equals(List.of("leaf")), "only tables");
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

    /** What diagrams of tables are drawn from. */
    static void keys(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            statement.execute("drop schema if exists jdbc_keys cascade");
            statement.execute("create schema jdbc_keys");
            statement.execute("create table jdbc_keys.makers (name varchar(40), country char(2), id int, primary key (country, id), unique (name))");
            statement.execute("create table jdbc_keys.goods (id int primary key, maker int, origin char(2), foreign key (origin, maker) references jdbc_keys.makers (country, id))");
        }
        DatabaseMetaData about = connection.getMetaData();
        check(rows(about.getPrimaryKeys(null, "jdbc_keys", "makers"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME")
            .equals(List.of("country 1 makers_pkey", "id 2 makers_pkey")), "primary keys");
        check(rows(about.getPrimaryKeys(null, "jdbc_keys", null), "TABLE_NAME", "COLUMN_NAME")
            .equals(List.of("goods id", "makers country", "makers id")), "all primary keys");
        List<String> foreign = List.of(
            "makers country goods origin 1 goods_origin_maker_fkey makers_pkey",
            "makers id goods maker 2 goods_origin_maker_fkey makers_pkey");
        String[] names = {"PKTABLE_NAME", "PKCOLUMN_NAME", "FKTABLE_NAME", "FKCOLUMN_NAME", "KEY_SEQ", "FK_NAME", "PK_NAME"};
        check(rows(about.getImportedKeys(null, "jdbc_keys", "goods"), names).equals(foreign), "imported keys");
        check(rows(about.getExportedKeys(null, "jdbc_keys", "makers"), names).equals(foreign), "exported keys");
        check(rows(about.getCrossReference(null, "jdbc_keys", "makers", null, "jdbc_keys", "goods"), names).equals(foreign), "a cross reference");
        check(rows(about.getExportedKeys(null, "jdbc_keys", "goods"), names).isEmpty(), "nothing points at goods");
        check(rows(about.getIndexInfo(null, "jdbc_keys", "makers", true, false), "INDEX_NAME", "ORDINAL_POSITION", "COLUMN_NAME", "NON_UNIQUE")
            .equals(List.of("makers_name_key 1 name f", "makers_pkey 1 country f", "makers_pkey 2 id f")), "indexes");
        check(column(about.getBestRowIdentifier(null, "jdbc_keys", "makers", DatabaseMetaData.bestRowSession, false), "COLUMN_NAME")
            .equals(List.of("country", "id")), "the best row identifier");
        try (ResultSet columns = about.getColumns(null, "jdbc_keys", "makers", "id")) {
            check(columns.next() && columns.getInt("NULLABLE") == 0, "a key's column is not null");
        }
        check(column(about.getColumnPrivileges(null, "jdbc_keys", "goods", "id"), "PRIVILEGE").contains("SELECT"), "privileges");
        try (Statement statement = connection.createStatement()) {
            ResultSet arrays = statement.executeQuery("select conkey from pg_constraint where conname = 'goods_origin_maker_fkey'");
            check(arrays.next() && Arrays.equals((Short[]) arrays.getArray(1).getArray(), new Short[] {3, 2}), "an array of columns");
            statement.execute("drop schema jdbc_keys cascade");
        }
    }

    static List<String> rows(ResultSet rows, String... names) throws SQLException {
        List<String> found = new ArrayList<>();
        while (rows.next()) {
            List<String> cells = new ArrayList<>();
            for (String name : names) cells.add(rows.getString(name));
            found.add(String.join(" ", cells));
        }
        return found;
    }

    static void types(Connection connection) throws Exception {
        DatabaseMetaData about = connection.getMetaData();
        List<String> names = rows(about.getTypeInfo(), "TYPE_NAME", "DATA_TYPE");
        for (String type : List.of("int4 " + Types.INTEGER, "varchar " + Types.VARCHAR, "numeric " + Types.NUMERIC, "timestamptz " + Types.TIMESTAMP, "bool " + Types.BIT))
            check(names.contains(type), type + " in " + names);
        check(!about.getUDTs(null, null, "%", null).next(), "nobody makes types here");
        check(about.getMaxColumnsInIndex() == 32, about.getMaxColumnsInIndex());
    }

    /** The driver says at the door in which zone it lives, and reads instants whatever zone they are written in. */
    static void zones() throws Exception {
        TimeZone home = TimeZone.getDefault();
        TimeZone.setDefault(TimeZone.getTimeZone("Asia/Kolkata"));
        for (String binary : List.of("true", "false"))
            try (Connection connection = connect("binaryTransfer", binary, "prepareThreshold", "1"); Statement statement = connection.createStatement()) {
                ResultSet zone = statement.executeQuery("show timezone");
                check(zone.next() && zone.getString(1).equals("Asia/Kolkata"), "the driver's zone");
                ResultSet text = statement.executeQuery("select timestamptz '2024-07-01 12:00', '2024-07-01 06:30+00'::timestamptz::varchar");
                check(text.next() && text.getString(1).startsWith("2024-07-01 12:00:00+05:30"), text.getString(1));
                check(text.getString(2).equals("2024-07-01 12:00:00+05:30"), text.getString(2));
                check(text.getObject(1, java.time.OffsetDateTime.class).toInstant().equals(java.time.Instant.parse("2024-07-01T06:30:00Z")), "an instant");
                statement.execute("create temp table instants (at timestamptz)");
                try (PreparedStatement insert = connection.prepareStatement("insert into instants values (?)")) {
                    insert.setObject(1, java.time.OffsetDateTime.parse("2024-07-01T06:30:00Z"));
                    insert.execute();
                    insert.setTimestamp(1, Timestamp.valueOf("2024-07-01 12:00:00"));
                    insert.execute();
                }
                for (int again = 0; again < 3; again++)
                    try (PreparedStatement select = connection.prepareStatement("select at from instants where at = ?")) {
                        select.setObject(1, java.time.OffsetDateTime.parse("2024-07-01T06:30:00Z"));
                        check(column(select.executeQuery(), "at").size() == 2, binary);
                    }
                statement.execute("set timezone to 'America/New_York'");
                ResultSet there = statement.executeQuery("select at::varchar from instants");
                check(there.next() && there.getString(1).equals("2024-07-01 02:30:00-04"), there.getString(1));
            }
        TimeZone.setDefault(home);
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
