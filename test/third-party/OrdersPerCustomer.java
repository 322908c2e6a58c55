import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.CloseableIterator;

/** Keeps an aggregate over a topic up to its end, in Flink SQL, and prints what it came to: a line a customer. */
public class OrdersPerCustomer {
  public static void main(String[] args) throws Exception {
    String brokers = args[0];
    String registry = args[1];
    String topic = args[2];
    Configuration configuration = new Configuration();
    configuration.setString("parallelism.default", "1");
    configuration.setString("taskmanager.numberOfTaskSlots", "4");
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
    tables.executeSql(
        "CREATE TABLE orders (id BIGINT NOT NULL, customer INT, state STRING, total DECIMAL(12, 2), placed TIMESTAMP(3)) WITH ("
            + "'connector' = 'kafka', 'topic' = '" + topic + "', 'properties.bootstrap.servers' = '" + brokers + "',"
            + "'properties.isolation.level' = 'read_committed', 'properties.group.id' = 'flink',"
            + "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',"
            + "'format' = 'debezium-avro-confluent', 'debezium-avro-confluent.url' = '" + registry + "')");
    TableResult result = tables.executeSql(
        "SELECT customer, COUNT(*) AS orders, SUM(total) AS total, MAX(placed) AS latest FROM orders GROUP BY customer");
    Map<Object, Row> current = new TreeMap<>();
    try (CloseableIterator<Row> changes = result.collect()) {
      while (changes.hasNext()) {
        Row change = changes.next();
        boolean isGone = change.getKind() == RowKind.DELETE || change.getKind() == RowKind.UPDATE_BEFORE;
        if (isGone) current.remove(change.getField("customer"));
        else current.put(change.getField("customer"), change);
      }
    }
    for (Row row : current.values()) {
      System.out.println("RESULT " + row.getField("customer") + "|" + row.getField("orders") + "|" + row.getField("total") + "|" + row.getField("latest"));
    }
  }
}
