import { Kafka, logLevel } from 'kafkajs';

/** Deletes the topics of a source, after a test that published for real. */
export async function deleteTopics(sourceName: string): Promise<void> {
  const admin = new Kafka({ brokers: (process.env['KAFKA_BROKERS'] ?? '').split(','), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(`${sourceName}.`));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  } finally {
    await admin.disconnect();
  }
}
