import type { Checkpoint, CheckpointStore } from '../../shared/connector/sink.ts';
import type { Session } from './client.ts';
import type { PostgresSinkConfig } from './config.ts';
import { quoteName, quoteText } from './identifiers.ts';
import type { SessionPool } from './session-pool.ts';
import { offsetsTableOf } from './statements.ts';

/** Beside the rows of a batch. A batch that was held up for long may come after a later one: nothing goes backwards. */
export function buildKeep({ name, schema }: PostgresSinkConfig, { topic, topicId, offsets }: Checkpoint): string {
  const rows = [...offsets].map(([partition, offset]) => `(${quoteText(name)}, ${quoteText(topic)}, ${partition}, ${quoteText(topicId)}, ${offset})`);
  return `INSERT INTO ${offsetsTableOf(schema)} AS o (sink, topic, partition, topic_id, next_offset) VALUES ${rows.join(', ')}
    ON CONFLICT (sink, topic, partition) DO UPDATE SET topic_id = excluded.topic_id, next_offset = excluded.next_offset
    WHERE o.topic_id <> excluded.topic_id OR o.next_offset < excluded.next_offset`;
}

function isOf({ name }: PostgresSinkConfig, topics: readonly string[]): string {
  return `sink = ${quoteText(name)} AND topic IN (${topics.map(quoteText).join(', ')})`;
}

/** Offsets that this sink keeps in `dbmazz_offsets`; the table is made with the first target table. */
export class PostgresCheckpoints implements CheckpointStore {
  readonly #config: PostgresSinkConfig;
  readonly #sessions: SessionPool<Session>;

  constructor(config: PostgresSinkConfig, sessions: SessionPool<Session>) {
    this.#config = config;
    this.#sessions = sessions;
  }

  async read(topics: readonly string[]): Promise<readonly Checkpoint[]> {
    const select = `SELECT topic, topic_id, partition, next_offset::text AS next_offset FROM ${this.#table} WHERE ${isOf(this.#config, topics)}`;
    return this.#use('read how far the rows of topics go', topics, async (session, doing) => {
      const rows = await session.rows(doing, select);
      return rows.map((row) => ({
        topic: String(row['topic']),
        topicId: String(row['topic_id']),
        offsets: new Map([[Number(row['partition']), BigInt(String(row['next_offset']))]]),
      }));
    });
  }

  async forget(topics: readonly string[]): Promise<void> {
    const remove = `DELETE FROM ${this.#table} WHERE ${isOf(this.#config, topics)}`;
    await this.#use('forget how far the rows of topics go', topics, async (session, doing) => {
      await session.run(doing, [remove]);
      return [];
    });
  }

  get #table(): string {
    return offsetsTableOf(this.#config.schema);
  }

  async #use<T>(
    what: string,
    topics: readonly string[],
    task: (session: Session, doing: { readonly what: string; readonly grant: string }) => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    if (topics.length === 0) return [];
    const doing = { what, grant: `GRANT SELECT, INSERT, UPDATE, DELETE ON ${this.#table} TO ${quoteName(this.#config.user)};` };
    return this.#sessions.use('', async (session) => {
      const [found] = await session.rows(doing, `SELECT to_regclass(${quoteText(this.#table)}) IS NOT NULL AS is_there`);
      return found?.['is_there'] === true ? task(session, doing) : [];
    });
  }
}
