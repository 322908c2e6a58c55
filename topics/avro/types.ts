import type { DataType } from '../../shared/record/data-type.ts';

/** The parts of Avro's schema language that the topics use. */
export type AvroSchema = string | AvroObject | readonly AvroSchema[];

export interface AvroObject {
  readonly type: AvroSchema;
  readonly [property: string]: unknown;
}

export interface AvroField {
  readonly name: string;
  readonly type: AvroSchema;
  readonly default?: unknown;
  readonly [property: string]: unknown;
}

export interface AvroRecord {
  readonly type: 'record';
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly fields: readonly AvroField[];
  readonly [property: string]: unknown;
}

/**
 * The Avro schema of a type: the standard logical type where there is one, and the name under which Kafka Connect and
 * Debezium know it, so that both families of readers understand it (contract of the topics, "Types").
 */
export function avroType(type: DataType): AvroSchema {
  switch (type.kind) {
    case 'boolean':
      return 'boolean';
    case 'int16':
      return { type: 'int', 'connect.type': 'int16' };
    case 'int32':
      return 'int';
    case 'int64':
      return 'long';
    case 'uint64':
      return avroDecimal(20, 0);
    case 'float32':
      return 'float';
    case 'float64':
      return 'double';
    case 'decimal':
      return avroDecimal(type.precision, type.scale);
    case 'numeric':
    case 'string':
    case 'text':
      return 'string';
    case 'enum':
      return {
        type: 'string',
        'connect.version': 1,
        'connect.parameters': { allowed: type.values.join(',') },
        'connect.name': 'io.debezium.data.Enum',
        'dbmazz.enum': type.values,
      };
    case 'bytes':
      return 'bytes';
    case 'json':
    case 'jsonb':
      return { type: 'string', 'connect.version': 1, 'connect.name': 'io.debezium.data.Json' };
    case 'uuid':
      return { type: 'string', logicalType: 'uuid', 'connect.version': 1, 'connect.name': 'io.debezium.data.Uuid' };
    case 'date':
      return { type: 'int', logicalType: 'date', 'connect.version': 1, 'connect.name': 'org.apache.kafka.connect.data.Date' };
    case 'time':
      return type.unit === 'millis'
        ? connectTime()
        : { type: 'long', logicalType: 'time-micros', 'connect.version': 1, 'connect.name': 'io.debezium.time.MicroTime' };
    case 'timestamp':
      return type.unit === 'millis' ? connectTimestamp() : microTimestamp('local-timestamp-micros');
    case 'timestampTz':
      return type.unit === 'millis' ? connectTimestamp() : microTimestamp('timestamp-micros');
    case 'array':
      return { type: 'array', items: ['null', avroType(type.element)] };
  }
}

function avroDecimal(precision: number, scale: number): AvroObject {
  return {
    type: 'bytes',
    logicalType: 'decimal',
    precision,
    scale,
    'connect.version': 1,
    'connect.parameters': { scale: String(scale), 'connect.decimal.precision': String(precision) },
    'connect.name': 'org.apache.kafka.connect.data.Decimal',
  };
}

function microTimestamp(logicalType: string): AvroObject {
  return { type: 'long', logicalType, 'connect.version': 1, 'connect.name': 'io.debezium.time.MicroTimestamp' };
}

function connectTime(): AvroObject {
  return { type: 'int', logicalType: 'time-millis', 'connect.version': 1, 'connect.name': 'org.apache.kafka.connect.data.Time' };
}

function connectTimestamp(): AvroObject {
  return { type: 'long', logicalType: 'timestamp-millis', 'connect.version': 1, 'connect.name': 'org.apache.kafka.connect.data.Timestamp' };
}
