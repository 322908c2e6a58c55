import type { Broker } from './kafkajs-internals.ts';

/** A request that kafkajs does not know, in the protocol's flexible form (KIP-482). */
export interface FlexibleApi {
  readonly name: string;
  readonly key: number;
  readonly version: number;
}

/** Whether the broker understands it; asked of one that is connected. */
export function knows({ versions }: Broker, { key, version }: FlexibleApi): boolean {
  return (versions?.[key]?.maxVersion ?? -1) >= version;
}

/** Sends a request, and gives what `decode` makes of the answer's body. */
export async function ask<T>(broker: Broker, api: FlexibleApi, body: FlexibleWriter, decode: (reader: FlexibleReader) => T): Promise<T> {
  const request = { apiKey: api.key, apiVersion: api.version, apiName: api.name, encode: async () => body.toRequest() };
  const response = {
    decode: async (payload: Buffer) => {
      const reader = new FlexibleReader(payload);
      // The header's.
      reader.tags();
      return decode(reader);
    },
    parse: async (data: unknown) => data,
  };
  return (await broker.connectionPool.send({ request, response })) as T;
}

export class FlexibleWriter {
  readonly #parts: Buffer[] = [];

  bytes(bytes: Buffer): this {
    this.#parts.push(bytes);
    return this;
  }

  int32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return this.bytes(bytes);
  }

  text(text: string): this {
    const bytes = Buffer.from(text);
    return this.#uvarint(bytes.length + 1).bytes(bytes);
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.#uvarint(items.length + 1);
    items.forEach(write);
    return this;
  }

  /** No tagged fields. */
  tags(): this {
    return this.#uvarint(0);
  }

  /** The header's tagged fields stand before the body: the client writes a header that ends before them. */
  toRequest(): { readonly buffer: Buffer } {
    return { buffer: Buffer.concat([Buffer.of(0), ...this.#parts]) };
  }

  #uvarint(value: number): this {
    const bytes: number[] = [];
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
    return this.bytes(Buffer.from([...bytes, rest]));
  }
}

export class FlexibleReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  int64(): bigint {
    this.#at += 8;
    return this.#bytes.readBigInt64BE(this.#at - 8);
  }

  bytes(count: number): Buffer {
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  text(): string | null {
    const length = this.#uvarint() - 1;
    return length < 0 ? null : this.bytes(length).toString();
  }

  array<T>(read: () => T): readonly T[] {
    const length = this.#uvarint() - 1;
    return Array.from({ length: Math.max(0, length) }, read);
  }

  tags(): void {
    for (let left = this.#uvarint(); left > 0; left--) {
      this.#uvarint();
      this.skip(this.#uvarint());
    }
  }

  #uvarint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.#bytes.readUInt8(this.#at++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }
}
