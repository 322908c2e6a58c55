import { avroNamespace } from '../names.ts';
import type { AvroRecord } from './types.ts';

/**
 * The key of TRUNCATE in a compacted topic: of a schema of its own, so that compaction keeps the last one of each
 * partition, and never takes it for a row or a row for it. Readers find the schema by its id, as they find the others.
 */
export function buildTruncateKeySchema(topic: string): AvroRecord {
  return { type: 'record', name: 'TruncateKey', namespace: avroNamespace(topic), fields: [{ name: 'truncate', type: 'boolean' }] };
}

export const TRUNCATE_KEY = { truncate: true } as const;
