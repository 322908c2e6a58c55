import '../../topics/kafka/quiet-timers.ts';
import kafkajs from 'kafkajs';

/** Counts what was appended to topics since it was opened, by their end offsets: nothing is read, so next to nothing is taken from who writes. */
export class TopicCounter implements AsyncDisposable {
  readonly #admin: kafkajs.Admin;
  readonly #topics: readonly string[];
  #before = 0;

  private constructor(admin: kafkajs.Admin, topics: readonly string[]) {
    this.#admin = admin;
    this.#topics = topics;
  }

  /** Creates those of the topics that are missing: asking for the offsets of one that does not exist is an error. */
  static async open(options: { readonly kafkaBrokers: string; readonly topics: readonly string[]; readonly partitions: number }): Promise<TopicCounter> {
    const admin = new kafkajs.Kafka({ clientId: 'bench-peers', brokers: options.kafkaBrokers.split(','), logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    const counter = new TopicCounter(admin, options.topics);
    try {
      await admin.createTopics({ topics: options.topics.map((topic) => ({ topic, numPartitions: options.partitions })), waitForLeaders: true });
      counter.#before = await counter.#end();
      return counter;
    } catch (error) {
      await admin.disconnect();
      throw error;
    }
  }

  async count(): Promise<number> {
    return (await this.#end()) - this.#before;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin.disconnect();
  }

  async #end(): Promise<number> {
    const offsets = await Promise.all(this.#topics.map(async (topic) => this.#admin.fetchTopicOffsets(topic)));
    return offsets.flat().reduce((sum, { high }) => sum + Number(high), 0);
  }
}
