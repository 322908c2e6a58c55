/** Space before a body, for the header of its request: the name of a client is no longer than 200 bytes. */
const HEADER_ROOM = 256;

/** Up to this size a request's memory is not worth keeping. */
const SMALL_BYTES = 64 * 1024;

interface RequestParts {
  readonly correlationId: number;
  readonly clientId: string;
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    encode(): Promise<RequestBody | { readonly buffer: Buffer }>;
  };
}

/** The body of a large request, in memory that has room for the header before it: it is not copied again. */
export class RequestBody {
  readonly memory: Buffer;
  #end = HEADER_ROOM;

  /** `memory` has room for `sizeOfMemory` of the body's bytes. */
  constructor(memory: Buffer) {
    this.memory = memory;
  }

  static sizeOfMemory(bodyBytes: number): number {
    return HEADER_ROOM + bodyBytes;
  }

  int16(value: number): void {
    this.#end = this.memory.writeInt16BE(value, this.#end);
  }

  int32(value: number): void {
    this.#end = this.memory.writeInt32BE(value, this.#end);
  }

  /** STRING of the protocol. */
  string(text: string): void {
    this.int16(Buffer.byteLength(text));
    this.#end += this.memory.write(text, this.#end);
  }

  bytes(source: Buffer): void {
    this.#end += source.copy(this.memory, this.#end);
  }

  /** The whole request, with a header that stands before the body. */
  behind(header: Buffer): Buffer {
    const start = HEADER_ROOM - header.length;
    if (start < 0) return Buffer.concat([header, this.memory.subarray(HEADER_ROOM, this.#end)]);
    header.copy(this.memory, start);
    return this.memory.subarray(start, this.#end);
  }

  get length(): number {
    return this.#end - HEADER_ROOM;
  }
}

/**
 * What kafkajs sends for a request: size, header, body (Kafka protocol guide, request header version 1). Its own way
 * copies the body three times, each time into zeroed memory of up to twice the size.
 */
export async function createRequest({ correlationId, clientId, request }: RequestParts): Promise<{ readonly buffer: Buffer }> {
  const body = await request.encode();
  if (body instanceof RequestBody) return { buffer: body.behind(headerOf({ correlationId, clientId, request }, body.length)) };
  const { buffer } = body;
  return { buffer: Buffer.concat([headerOf({ correlationId, clientId, request }, buffer.length), buffer]) };
}

function headerOf({ correlationId, clientId, request: { apiKey, apiVersion } }: RequestParts, bodyBytes: number): Buffer {
  const name = Buffer.from(clientId);
  const header = Buffer.allocUnsafe(14 + name.length);
  header.writeInt32BE(header.length - 4 + bodyBytes, 0);
  header.writeInt16BE(apiKey, 4);
  header.writeInt16BE(apiVersion, 6);
  header.writeInt32BE(correlationId, 8);
  header.writeInt16BE(name.length, 12);
  name.copy(header, 14);
  return header;
}

/** Memory of requests that were answered, for those to come: without it, each would be garbage of megabytes. */
export class RequestMemory {
  readonly #least: number;
  readonly #most: number;
  readonly #free: Buffer[] = [];

  /** Buffers of at least `least` bytes; no more than `most` of them are kept. */
  constructor(least: number, most: number) {
    this.#least = least;
    this.#most = most;
  }

  take(bytes: number): Buffer {
    if (bytes < SMALL_BYTES) return Buffer.allocUnsafe(bytes);
    const place = this.#free.findIndex(({ length }) => length >= bytes);
    return place < 0 ? Buffer.allocUnsafeSlow(Math.max(bytes, this.#least)) : (this.#free.splice(place, 1)[0] as Buffer);
  }

  /** One that is larger than others is not kept for long: it comes of a large record. */
  giveBack(memory: Buffer): void {
    if (memory.length === this.#least && this.#free.length < this.#most) this.#free.push(memory);
  }
}
