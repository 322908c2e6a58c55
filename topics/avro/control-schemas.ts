import avsc from 'avsc';
import { avroNamespace } from '../names.ts';
import type { AvroRecord } from './types.ts';

/** The records of the control topics. `transaction` and `heartbeat` have Debezium's layout. */
export interface ControlRecords {
  transaction: {
    key: { id: string };
    value: {
      status: 'BEGIN' | 'END';
      id: string;
      ts_ms: number;
      event_count: number | null;
      data_collections: readonly { data_collection: string; event_count: number }[] | null;
    };
  };
  heartbeat: { key: { serverName: string }; value: { ts_ms: number } };
  'schema-changes': {
    key: { table: string };
    value: { ts_ms: number; position: string; db: string; schema: string; table: string; columns: string };
  };
  positions: { key: { source: string }; value: PositionValue };
  signals: { key: { source: string }; value: SignalValue };
}

/** A request to a running source; anybody may write it. */
export interface SignalValue {
  /** Chosen by who asks; the answer has it. */
  id: string;
  /** `snapshot`, `pause`, `resume` or `stop`. */
  type: string;
  /** Of a snapshot: `schema.table`, `*` allowed. */
  tables: readonly string[];
  /** Of a snapshot: a condition on its rows; null for all of them. */
  where: string | null;
  ts_ms: number;
  /** Of a snapshot of one table, instead of a condition: rows to be told as deleted where the table does not have them, by the texts of their key columns. */
  keys: readonly Readonly<Record<string, string>>[];
}

export interface PositionValue {
  /** Every record up to and including this position is in the topics; null before the first. */
  position: string | null;
  /** The highest row_version that was given out. */
  row_version: number;
  /** Which process wrote it. */
  instance: string;
  /** How far the snapshot is, as JSON; null without one. */
  snapshot: string | null;
  ts_ms: number;
  /** Tables that are published no further, as JSON; null without any. */
  stopped: string | null;
  /** Which log the position is one of, and how much of it was read; null where the source has not said. */
  log: string | null;
}

const COLLECTION: AvroRecord = {
  type: 'record',
  name: 'Collection',
  fields: [
    { name: 'data_collection', type: 'string' },
    { name: 'event_count', type: 'long' },
  ],
};

export function controlSchemas(topic: string, kind: keyof ControlRecords): { readonly key: AvroRecord; readonly value: AvroRecord } {
  const namespace = avroNamespace(topic);
  switch (kind) {
    case 'transaction':
      return {
        key: { type: 'record', name: 'TransactionMetadataKey', namespace: 'io.debezium.connector.common', fields: [{ name: 'id', type: 'string' }] },
        value: {
          type: 'record',
          name: 'TransactionMetadataValue',
          namespace: 'io.debezium.connector.common',
          fields: [
            { name: 'status', type: 'string' },
            { name: 'id', type: 'string' },
            { name: 'ts_ms', type: 'long' },
            { name: 'event_count', type: ['null', 'long'], default: null },
            { name: 'data_collections', type: ['null', { type: 'array', items: COLLECTION }], default: null },
          ],
        },
      };
    case 'heartbeat':
      return {
        key: { type: 'record', name: 'ServerNameKey', namespace: 'io.debezium.connector.common', fields: [{ name: 'serverName', type: 'string' }] },
        value: { type: 'record', name: 'Heartbeat', namespace: 'io.debezium.connector.common', fields: [{ name: 'ts_ms', type: 'long' }] },
      };
    case 'schema-changes':
      return {
        key: { type: 'record', name: 'Key', namespace, fields: [{ name: 'table', type: 'string' }] },
        value: {
          type: 'record',
          name: 'SchemaChange',
          namespace,
          fields: [
            { name: 'ts_ms', type: 'long' },
            { name: 'position', type: 'string' },
            { name: 'db', type: 'string' },
            { name: 'schema', type: 'string' },
            { name: 'table', type: 'string' },
            { name: 'columns', type: 'string' },
          ],
        },
      };
    case 'signals':
      return {
        key: { type: 'record', name: 'Key', namespace, fields: [{ name: 'source', type: 'string' }] },
        value: {
          type: 'record',
          name: 'Signal',
          namespace,
          fields: [
            { name: 'id', type: 'string' },
            { name: 'type', type: 'string' },
            { name: 'tables', type: { type: 'array', items: 'string' }, default: [] },
            { name: 'where', type: ['null', 'string'], default: null },
            { name: 'ts_ms', type: 'long' },
            { name: 'keys', type: { type: 'array', items: { type: 'map', values: 'string' } }, default: [] },
          ],
        },
      };
    case 'positions':
      return {
        key: { type: 'record', name: 'Key', namespace, fields: [{ name: 'source', type: 'string' }] },
        value: {
          type: 'record',
          name: 'Position',
          namespace,
          fields: [
            { name: 'position', type: ['null', 'string'], default: null },
            { name: 'row_version', type: 'long' },
            { name: 'instance', type: 'string' },
            { name: 'snapshot', type: ['null', 'string'], default: null },
            { name: 'ts_ms', type: 'long' },
            { name: 'stopped', type: ['null', 'string'], default: null },
            { name: 'log', type: ['null', 'string'], default: null },
          ],
        },
      };
  }
}

/** Writes and reads records of one schema with avsc: for the control topics, where speed does not matter. */
export function plainCodec<T>(schema: AvroRecord): { encode(record: T): Buffer; decode(bytes: Buffer): T } {
  const type = avsc.Type.forSchema(schema as unknown as avsc.Schema, { registry: {} });
  return { encode: (record) => type.toBuffer(record), decode: (bytes) => type.fromBuffer(bytes) as T };
}
