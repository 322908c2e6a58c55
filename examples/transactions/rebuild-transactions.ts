// Prints the transactions of a source database, each whole and in the order of their commits: a line of JSON each.
//
//   KAFKA_BROKERS=localhost:9092 SCHEMA_REGISTRY_URL=http://localhost:8081 node rebuild-transactions.ts shop
//
// Nothing here is dbmazz's own code: kafkajs, and the registry's client.
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { Kafka, logLevel } from 'kafkajs';
import { bigIntToJson, longsAsBigInts } from './longs.ts';
import { type Change, type TransactionMark, TransactionAssembler } from './transaction-assembler.ts';

const { KAFKA_BROKERS = 'localhost:9092', SCHEMA_REGISTRY_URL = 'http://localhost:8081' } = process.env;
const source = process.argv[2];
if (source === undefined) throw new Error('Which source? Give its SOURCE_NAME.');

const kafka = new Kafka({ clientId: 'transactions', brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING });
const registry = new SchemaRegistry({ host: SCHEMA_REGISTRY_URL }, { [SchemaType.AVRO]: { typeHook: longsAsBigInts } });
const marks = `${source}.transaction`;
const assembler = new TransactionAssembler((transaction) => process.stdout.write(`${JSON.stringify(transaction, bigIntToJson)}\n`));

const admin = kafka.admin();
await admin.connect();
// A table's topic has three parts, the source's own topics have two.
const tables = (await admin.listTopics()).filter((topic) => topic.startsWith(`${source}.`) && topic.split('.').length > 2);
await admin.disconnect();

// A group of its own for each run: it always begins at the beginning. Uncommitted records must stay out of sight.
const consumer = kafka.consumer({
  groupId: `transactions-${process.pid}-${Date.now()}`,
  readUncommitted: false,
  retry: { restartOnFailure: async () => false },
});
consumer.on(consumer.events.CRASH, ({ payload }) => {
  process.stderr.write(`${payload.error.message}\n`);
  process.exit(1);
});
await consumer.connect();
await consumer.subscribe({ topics: [marks, ...tables], fromBeginning: true });
await consumer.run({
  autoCommit: false,
  eachMessage: async ({ topic, message: { value } }) => {
    if (value === null) return; // The tombstone behind a delete.
    const record: unknown = await registry.decode(value);
    if (topic === marks) assembler.addMark(record as TransactionMark);
    else assembler.addChange(topic, record as Change);
  },
});

const stop = () => void consumer.disconnect();
process.once('SIGINT', stop).once('SIGTERM', stop);
