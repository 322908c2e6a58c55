import avsc from 'avsc';

/** 64-bit numbers as BigInt: avsc's own type of them is a number, and it refuses those that a number cannot hold. */
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

/** For the options of avsc, which the registry's client hands on. */
export function longsAsBigInts(schema: unknown): avsc.Type | undefined {
  return schema === 'long' || (schema as { type?: unknown }).type === 'long' ? LONG : undefined;
}

/** For JSON: numbers where they are exact, texts beyond. */
export function bigIntToJson(_: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}
