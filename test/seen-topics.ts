import { isDeepStrictEqual } from 'node:util';
import avsc from 'avsc';
import { expect } from 'vitest';
import type { Environment } from '../shared/config/options.ts';
import type { CdcRecord } from '../shared/record/record.ts';
import { Registry } from '../topics/avro/registry.ts';
import { partitionOf } from '../topics/murmur2.ts';
import { liveConfig, liveSettings, type ReadRecord, readCommitted } from './live-topics.ts';
import { MemorySource, type SeenRecord, showRecord } from './memory-source.ts';
import { readUncommitted } from './read-uncommitted.ts';
import { TABLES } from './scripted-log.ts';

export const tableTopicsOf = (name: string): readonly string[] => TABLES.map((table) => `${name}.${table.qualifiedName}`);
const topicsOf = (name: string) => [...tableTopicsOf(name), `${name}.transaction`];

/** Reads keys and values with avsc, by the schemas that the registry has. */
class Decoder {
  readonly #registry: Registry;
  readonly #types = new Map<number, avsc.Type>();

  constructor(environment: Environment) {
    this.#registry = new Registry(liveSettings('decoder', environment));
  }

  async learn(records: readonly ReadRecord[]): Promise<void> {
    const headers = records.flatMap((record) => Object.values(record.headers).flat());
    const ids = new Set(
      [...records.flatMap(({ key, value }) => [key, value]), ...headers].filter((bytes) => bytes !== null).map((bytes) => bytes.readInt32BE(1)),
    );
    for (const id of ids)
      if (!this.#types.has(id)) this.#types.set(id, avsc.Type.forSchema((await this.#registry.schema(id)) as avsc.Schema, { registry: {} }));
  }

  decode(bytes: Buffer | null): Record<string, unknown> | null {
    if (bytes === null) return null;
    return structuredClone(this.#types.get(bytes.readInt32BE(1))?.fromBuffer(bytes.subarray(5))) as Record<string, unknown>;
  }
}

/** What consumers of committed records see of a source, by topic and partition. */
async function seenOf(name: string, environment: Environment): Promise<ReadonlyMap<string, readonly SeenRecord[]>> {
  const records = await readCommitted(liveConfig(environment), topicsOf(name));
  const decoder = new Decoder(environment);
  await decoder.learn(records);
  const seen = records.map(({ headers, ...record }) => {
    const list = Object.entries(headers).map(([key, value]) => ({ key, value: value as Buffer }));
    return showRecord({ ...record, headers: list }, (bytes) => decoder.decode(bytes));
  });
  return byPlace(seen);
}

function byPlace(seen: readonly SeenRecord[]): ReadonlyMap<string, readonly SeenRecord[]> {
  return new Map([...Map.groupBy(seen, ({ topic, partition }) => `${topic}/${partition}`)].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * What they should see: the same log, published in one go into memory. Partitions are chosen by the key's bytes, and
 * these hold the schema's id, so they are worked out anew with the ids of the real registry.
 */
async function expectedOf(name: string, log: readonly CdcRecord[], environment: Environment): Promise<ReadonlyMap<string, readonly SeenRecord[]>> {
  const source = new MemorySource(name);
  await source.publish(await source.open(), log);
  const ids = new Map<string, number>();
  for (const { qualifiedName } of TABLES) {
    const response = await fetch(`${liveSettings(name, environment).SCHEMA_REGISTRY_URL}/subjects/${name}.${qualifiedName}-key/versions/latest`);
    if (response.ok) ids.set(`${name}.${qualifiedName}`, ((await response.json()) as { id: number }).id);
  }
  const kept = source.log.records.filter(({ state, topic }) => state === 'committed' && topic !== `${name}.positions`);
  return byPlace(source.seen().map((record, index) => ({ ...record, partition: realPartition(kept[index] as unknown as ReadRecord, ids) })));
}

/**
 * Fails unless consumers of committed records see just what a log holds: nothing missing, nothing twice, in order. Record
 * by record, since what differs among so many is not to be found in one great comparison.
 */
export async function expectSameTopics(name: string, log: readonly CdcRecord[], environment: Environment = {}): Promise<void> {
  const [seen, expected] = [await seenOf(name, environment), await expectedOf(name, log, environment)];
  expect([...seen.keys()]).toEqual([...expected.keys()]);
  for (const [place, records] of expected) {
    for (const [index, record] of records.entries())
      if (!isDeepStrictEqual(seen.get(place)?.[index], record)) expect([place, index, seen.get(place)?.[index]]).toEqual([place, index, record]);
    expect([place, seen.get(place)?.length]).toEqual([place, records.length]);
  }
}

function realPartition({ topic, partition, key }: Pick<ReadRecord, 'topic' | 'partition' | 'key'>, ids: ReadonlyMap<string, number>): number {
  if (key === null || topic.split('.').length < 3) return partition;
  const real = Buffer.from(key);
  real.writeInt32BE(ids.get(topic) ?? 0, 1);
  return partitionOf(real, 0, real.length, 4);
}

/** Fails unless row_version only grows in each partition, in the order of offsets, aborted records included. How many records there are. */
export async function expectGrowingVersions(name: string, environment: Environment = {}): Promise<number> {
  const records = await readUncommitted(liveConfig(environment), tableTopicsOf(name));
  const decoder = new Decoder(environment);
  await decoder.learn(records);
  const last = new Map<string, number>();
  for (const { topic, partition, value } of records) {
    const version = decoder.decode(value)?.['row_version'] as number | undefined;
    if (version === undefined) continue;
    const place = `${topic}/${partition}`;
    if (version <= (last.get(place) ?? 0)) throw new Error(`row_version ${version} after ${last.get(place)} in ${place}`);
    last.set(place, version);
  }
  return records.length;
}
