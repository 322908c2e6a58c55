import avsc from 'avsc';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { toReadable } from './readable.ts';
import type { Registry } from './registry.ts';
import { schemaIdOf, WIRE_HEADER_BYTES } from './wire-format.ts';

/** 64-bit integers with all their digits. */
const LONG = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
});

interface Reader {
  readonly schema: unknown;
  readonly type: avsc.Type;
}

/** Reads any record in Confluent's wire format, of a key or a value, with the schema that it was written with: for people, not for speed. */
export class RecordReader {
  readonly #registry: Pick<Registry, 'schema'>;
  readonly #readers = new Map<number, Promise<Reader>>();

  constructor(registry: Pick<Registry, 'schema'>) {
    this.#registry = registry;
  }

  /** As `toReadable` gives it; null for null. Throws `PARSE_FAILED`, and the errors of the registry. */
  async read(bytes: Buffer | null, topic: string): Promise<unknown> {
    if (bytes === null) return null;
    const id = schemaIdOf(bytes, topic);
    const reader = this.#readers.get(id) ?? this.#open(id);
    this.#readers.set(id, reader);
    const { schema, type } = await reader;
    try {
      return toReadable(schema, type.fromBuffer(bytes.subarray(WIRE_HEADER_BYTES)));
    } catch (error) {
      throw new CdcError('PARSE_FAILED', `A record of ${topic} does not have the layout of its schema.`, { cause: error, context: { topic, schemaId: id } });
    }
  }

  async #open(id: number): Promise<Reader> {
    const schema = await this.#registry.schema(id);
    return { schema, type: avsc.Type.forSchema(schema as avsc.Schema, { registry: {}, typeHook: longsAsBigints }) };
  }
}

function longsAsBigints(schema: unknown): avsc.Type | undefined {
  return schema === 'long' || (schema as { type?: unknown } | null)?.type === 'long' ? LONG : undefined;
}
