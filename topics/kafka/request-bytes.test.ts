import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { createRequest, RequestBody, RequestMemory } from './request-bytes.ts';

interface KafkajsEncoder {
  readonly buffer: Buffer;
  writeString(text: string): KafkajsEncoder;
  writeInt16(value: number): KafkajsEncoder;
  writeInt32(value: number): KafkajsEncoder;
  writeBufferInternal(bytes: Buffer): void;
}

const require = createRequire(import.meta.url);
const Encoder = require('kafkajs/src/protocol/encoder.js') as new () => KafkajsEncoder;
const original = require('kafkajs/src/protocol/request.js') as typeof createRequest;

function encoder(): KafkajsEncoder {
  const encoded = new Encoder().writeString('some äöü').writeInt16(-1).writeInt32(30_000);
  encoded.writeBufferInternal(Buffer.from('records'));
  return encoded;
}

function body(): RequestBody {
  const written = new RequestBody(Buffer.alloc(RequestBody.sizeOfMemory(100), 0xee));
  written.string('some äöü');
  written.int16(-1);
  written.int32(30_000);
  written.bytes(Buffer.from('records'));
  return written;
}

describe('the bytes of a request', () => {
  test.each([
    ['usual', 'dbmazz-shop'],
    ['too long for the room before a body', 'x'.repeat(400)],
  ])('are those of kafkajs, with a client name that is %s', async (_, clientId) => {
    const parts = { correlationId: 77, clientId };
    const request = (encode: () => KafkajsEncoder | RequestBody) => ({ ...parts, request: { apiKey: 3, apiVersion: 7, encode: async () => encode() } });
    const expected = (await original(request(encoder))).buffer;
    expect((await createRequest(request(encoder))).buffer).toEqual(expected);
    expect((await createRequest(request(body))).buffer).toEqual(expected);
  });
});

describe('the memory of requests', () => {
  test('is given out again once it was given back, up to so many', () => {
    const memory = new RequestMemory(100_000, 1);
    const [first, second] = [memory.take(90_000), memory.take(100_000)];
    expect([first.length, second.length]).toEqual([100_000, 100_000]);
    memory.giveBack(first);
    memory.giveBack(second);
    expect(memory.take(70_000)).toBe(first);
    expect(memory.take(70_000)).not.toBe(second);
  });

  test('of other sizes is not kept', () => {
    const memory = new RequestMemory(100_000, 1);
    for (const bytes of [10, 200_000]) {
      const taken = memory.take(bytes);
      expect(taken.length).toBe(bytes);
      memory.giveBack(taken);
      expect(memory.take(bytes)).not.toBe(taken);
    }
  });
});
