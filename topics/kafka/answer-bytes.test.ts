import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { roomFor } from './answer-bytes.ts';
import { promptSockets } from './prompt-sockets.ts';
import './fast-fetch.ts';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** A connection of kafkajs as far as it takes answers in. */
function connectionOf(socket: Socket, answers: Buffer[]) {
  const { prototype } = require('kafkajs/src/network/connection.js') as { prototype: { processData(chunk: Buffer): void } };
  const fulfillRequest = ({ size, correlationId, payload }: { size: number; correlationId: number; payload: Buffer }) => {
    expect(size).toBe(payload.length + 4);
    expect(correlationId).toBe(answers.length);
    answers.push(payload);
  };
  return Object.assign(Object.create(prototype) as { processData(chunk: Buffer): void }, { socket, authHandlers: null, requestQueue: { fulfillRequest } });
}

function answerOf(correlationId: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(payload.length + 4, 0);
  head.writeInt32BE(correlationId, 4);
  return Buffer.concat([head, payload]);
}

test('answers are whole, however they are cut on the way', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), fc.infiniteStream(fc.integer({ min: 1, max: 30 })), (payloads, lengths) => {
      const bytes = Buffer.concat(payloads.map((payload, id) => answerOf(id, payload)));
      const answers: Buffer[] = [];
      const connection = connectionOf({} as Socket, answers);
      for (let at = 0; at < bytes.length;) {
        const { value: length } = lengths.next();
        // A piece is good only until the call returns.
        const piece = Buffer.from(bytes.subarray(at, at + length));
        connection.processData(piece);
        piece.fill(0xff);
        at += length;
      }
      expect(answers.map((answer) => [...answer])).toEqual(payloads.map((payload) => [...payload]));
    }),
  );
});

test('large answers are read where they are to lie, among small ones', async () => {
  const payloads = [3, 700_000, 5, 20_000, 2_000_000, 0, 40].map((length, id) => Buffer.alloc(length, id + 1));
  const server = createServer((socket) => socket.end(Buffer.concat(payloads.map((payload, id) => answerOf(id, payload)))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = promptSockets()({ host: '127.0.0.1', port, ssl: undefined as never, onConnect: () => undefined });
  const answers: Buffer[] = [];
  const connection = connectionOf(socket, answers);
  let inPlace = 0;
  socket.on('data', (piece: Buffer) => {
    if (roomFor(socket)?.byteOffset === piece.byteOffset) inPlace += piece.length;
    connection.processData(piece);
  });
  await once(socket, 'end');
  server.close();
  socket.destroy();
  expect(answers.map((answer, id) => answer.equals(payloads[id] as Buffer))).toEqual(payloads.map(() => true));
  expect(inPlace).toBeGreaterThan(1_500_000);
});
