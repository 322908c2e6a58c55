import { randomUUID } from 'node:crypto';
import type { CommonSettings } from '../shared/config/common-options.ts';
import type { Signal } from '../shared/connector/source.ts';
import { CdcError } from '../shared/errors/cdc-error.ts';
import { type Logger, silentLogger } from '../shared/observe/log.ts';
import { controlSchemas, plainCodec, type SignalValue } from './avro/control-schemas.ts';
import { Registry } from './avro/registry.ts';
import type { AvroRecord } from './avro/types.ts';
import { frame, schemaIdOf, WIRE_HEADER_BYTES } from './avro/wire-format.ts';
import { kafkaConfig } from './kafka/connection.ts';
import { LogReader } from './kafka/log-reader.ts';
import { writeRecord } from './kafka/plain-producer.ts';
import { TopicAdmin } from './kafka/topic-admin.ts';
import { controlTopic } from './names.ts';

/** What is asked of a source; its id is chosen here. */
export type SignalRequest = Pick<Signal, 'type' | 'tables' | 'where'> & Partial<Pick<Signal, 'keys'>>;

/** Asks something of the source of a name, whether it runs or not; gives the request's id. Errors: those of broker and registry, `TABLE_NOT_FOUND`. */
export async function writeSignal(settings: CommonSettings, sourceName: string, request: SignalRequest): Promise<string> {
  const topic = controlTopic(sourceName, 'signals');
  const config = kafkaConfig(settings, 'dbmazz-signal', silentLogger());
  await assertTopic(config, topic, sourceName);
  const registry = new Registry(settings);
  const schemas = controlSchemas(topic, 'signals');
  const [keyId, valueId] = [await registry.register(`${topic}-key`, schemas.key), await registry.register(`${topic}-value`, schemas.value)];
  const id = randomUUID();
  const key = frame(keyId, plainCodec<{ source: string }>(schemas.key).encode({ source: sourceName }));
  const value = frame(valueId, plainCodec<SignalValue>(schemas.value).encode({ keys: [], ...request, id, ts_ms: Date.now() }));
  await writeRecord(config, { topic, partition: 0, key, value });
  return id;
}

async function assertTopic(config: ReturnType<typeof kafkaConfig>, topic: string, sourceName: string): Promise<void> {
  const admin = new TopicAdmin(config);
  await admin.connect();
  try {
    if ((await admin.list()).includes(topic)) return;
  } finally {
    await admin.close();
  }
  throw new CdcError('TABLE_NOT_FOUND', `The broker has no topic ${topic}: no source named ${sourceName} has run.`, {
    remedy: 'Check the name of the source, and KAFKA_BROKERS.',
  });
}

/** Reads a source's signals from a place on, one by one. What is none of ours is passed over with a warning. */
export class SignalReader {
  readonly #topic: string;
  readonly #reader: LogReader;
  readonly #registry: Registry;
  readonly #log: Logger;
  #next: number;

  constructor(settings: CommonSettings & { readonly SOURCE_NAME: string }, log: Logger, from: number) {
    this.#topic = controlTopic(settings.SOURCE_NAME, 'signals');
    this.#reader = new LogReader(kafkaConfig(settings, `dbmazz-${settings.SOURCE_NAME}-signals`, log));
    this.#registry = new Registry(settings);
    this.#log = log;
    this.#next = from;
  }

  async connect(): Promise<void> {
    await this.#reader.connect();
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }

  /** The next ones; none where none came for about a second. */
  async read(): Promise<readonly Signal[]> {
    const { messages, next } = await this.#reader.readFrom(this.#topic, 0, this.#next);
    const signals: Signal[] = [];
    for (const { offset, value } of messages) {
      const signal = value === null ? undefined : await this.#parse(value, Number(offset));
      if (signal !== undefined) signals.push(signal);
    }
    this.#next = next;
    return signals;
  }

  async #parse(bytes: Buffer, offset: number): Promise<Signal | undefined> {
    try {
      const schema = (await this.#registry.schema(schemaIdOf(bytes, this.#topic))) as AvroRecord;
      const { id, type, tables, where, keys } = plainCodec<Partial<SignalValue>>(schema).decode(bytes.subarray(WIRE_HEADER_BYTES));
      if (typeof id === 'string' && typeof type === 'string')
        return { id, type, tables: [...(tables ?? [])], where: where ?? null, keys: [...(keys ?? [])], offset };
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === 'REGISTRY_UNAVAILABLE') throw error;
    }
    this.#log.warn({ topic: this.#topic, offset }, 'a record of the signals topic is no signal and is passed over');
    return undefined;
  }
}
