import { CdcError } from '../../shared/errors/cdc-error.ts';
import { type DataType, isDataType } from '../../shared/record/data-type.ts';
import { type ColumnDef, TableSchema } from '../../shared/record/table-schema.ts';
import { avroName, avroNamespace } from '../names.ts';
import { type AvroField, type AvroRecord, avroType } from './types.ts';

/**
 * A table's schemas in a topic, and back.
 *
 * A key column has its plain type, every other column is `[null, T]` with default null: so a key-only `before` can be
 * written, and adding or dropping a column is compatible in both directions. What Avro cannot say travels as field
 * properties: `dbmazz.type` (the database's declaration), `dbmazz.notNull`, `dbmazz.kind`, `dbmazz.name`.
 */
export function buildKeySchema(table: TableSchema, topic: string): AvroRecord {
  const names = fieldNames(table);
  return {
    type: 'record',
    name: 'Key',
    namespace: avroNamespace(topic),
    fields: table.key.map((index) => ({ name: names[index] as string, type: avroType(table.column(index).dataType) })),
  };
}

export function buildEnvelopeSchema(table: TableSchema, topic: string): AvroRecord {
  return {
    type: 'record',
    name: 'Envelope',
    namespace: avroNamespace(topic),
    fields: [
      { name: 'before', type: ['null', buildRowSchema(table)], default: null },
      { name: 'after', type: ['null', 'Value'], default: null },
      { name: 'source', type: SOURCE_SCHEMA },
      { name: 'op', type: 'string' },
      { name: 'ts_ms', type: 'long' },
      { name: 'transaction', type: ['null', TRANSACTION_SCHEMA], default: null },
      { name: 'row_version', type: 'long' },
      { name: 'unchanged', type: ['null', { type: 'array', items: 'string' }], default: null },
    ],
  };
}

function buildRowSchema(table: TableSchema): AvroRecord {
  const names = fieldNames(table);
  return {
    type: 'record',
    name: 'Value',
    'dbmazz.database': table.database,
    'dbmazz.schema': table.schema,
    'dbmazz.table': table.name,
    'dbmazz.key': table.key.map((index) => names[index]),
    fields: table.columns.map((column, index) => rowField(column, names[index] as string, table.key.includes(index))),
  };
}

function rowField(column: ColumnDef, name: string, isKey: boolean): AvroField {
  const properties = {
    ...(name === column.name ? {} : { 'dbmazz.name': column.name }),
    'dbmazz.type': column.nativeType,
    'dbmazz.kind': column.dataType,
    'dbmazz.notNull': !column.nullable,
  };
  const type = avroType(column.dataType);
  return isKey ? { name, type, ...properties } : { name, type: ['null', type], default: null, ...properties };
}

/** Field names of the columns: legal in Avro, and distinct. */
export function fieldNames(table: TableSchema): readonly string[] {
  const taken = new Set<string>();
  return table.columns.map(({ name }) => {
    let candidate = avroName(name);
    while (taken.has(candidate)) candidate += '_';
    taken.add(candidate);
    return candidate;
  });
}

const SOURCE_SCHEMA: AvroRecord = {
  type: 'record',
  name: 'Source',
  fields: [
    { name: 'version', type: 'string' },
    { name: 'connector', type: 'string' },
    { name: 'name', type: 'string' },
    { name: 'ts_ms', type: 'long' },
    { name: 'ts_us', type: 'long' },
    { name: 'snapshot', type: 'string' },
    { name: 'db', type: 'string' },
    { name: 'schema', type: 'string' },
    { name: 'table', type: 'string' },
    { name: 'txId', type: ['null', 'string'], default: null },
    { name: 'position', type: 'string' },
  ],
};

const TRANSACTION_SCHEMA: AvroRecord = {
  type: 'record',
  name: 'block',
  namespace: 'event',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'total_order', type: 'long' },
    { name: 'data_collection_order', type: 'long' },
  ],
};

/** The table that a registered envelope schema describes. Throws `SCHEMA_INCOMPATIBLE` where it is none of ours. */
export function parseTableSchema(envelope: unknown, topic: string): TableSchema {
  const row = rowSchemaOf(envelope);
  const keyNames = row?.['dbmazz.key'];
  const key = Array.isArray(keyNames) ? keyNames.map((name) => row?.fields.findIndex((field) => field.name === name) ?? -1) : [-1];
  if (row === undefined || key.includes(-1)) {
    throw new CdcError('SCHEMA_INCOMPATIBLE', `The records of ${topic} do not have the layout of a dbmazz table topic.`, {
      context: { topic },
      remedy: 'Leave the topic out of SINK_TOPICS; it was written by something else.',
    });
  }
  const unknown = row.fields.find((field) => !isDataType(field['dbmazz.kind']));
  if (unknown !== undefined) {
    throw new CdcError('SCHEMA_INCOMPATIBLE', `Column ${unknown.name} in the records of ${topic} has a type that this version does not know.`, {
      context: { topic },
      remedy: 'Bring this process to the version of the source.',
    });
  }
  return new TableSchema({
    database: String(row['dbmazz.database'] ?? ''),
    schema: String(row['dbmazz.schema'] ?? ''),
    name: String(row['dbmazz.table'] ?? ''),
    columns: row.fields.map(parseColumn),
    key,
  });
}

function rowSchemaOf(envelope: unknown): AvroRecord | undefined {
  const before = (envelope as Partial<AvroRecord> | null)?.fields?.find(({ name }) => name === 'before');
  const branches = Array.isArray(before?.type) ? (before.type as readonly unknown[]) : [];
  return branches.find((branch): branch is AvroRecord => typeof branch === 'object' && branch !== null && 'fields' in branch);
}

function parseColumn(field: AvroField): ColumnDef {
  return {
    name: String(field['dbmazz.name'] ?? field.name),
    dataType: field['dbmazz.kind'] as DataType,
    nullable: field['dbmazz.notNull'] !== true,
    nativeType: String(field['dbmazz.type'] ?? ''),
  };
}
