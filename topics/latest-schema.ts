import type { TableSchema } from '../shared/record/table-schema.ts';
import type { Registry } from './avro/registry.ts';
import { parseTableSchema } from './avro/table-schemas.ts';

/** The table of a topic, as its latest records have it; undefined where nothing was ever published. */
export async function latestTableSchema(registry: Pick<Registry, 'versions' | 'schema'>, topic: string): Promise<TableSchema | undefined> {
  const latest = (await registry.versions(`${topic}-value`)).at(-1);
  return latest === undefined ? undefined : parseTableSchema(await registry.schema(latest.id), topic);
}
