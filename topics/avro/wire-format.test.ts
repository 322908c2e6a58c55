import { expect, test } from 'vitest';
import { frame, schemaIdOf } from './wire-format.ts';

test('a framed body starts with a zero and the id of its schema', () => {
  const bytes = frame(0x01020304, Buffer.from([9]));
  expect(bytes).toEqual(Buffer.from([0, 1, 2, 3, 4, 9]));
  expect(schemaIdOf(bytes, 't')).toBe(0x01020304);
});

test('the id is found wherever the record lies', () => {
  expect(schemaIdOf(Buffer.concat([Buffer.from([7, 7]), frame(5, Buffer.alloc(0))]), 't', 2)).toBe(5);
});

test('what is not framed is PARSE_FAILED, with the topic', () => {
  for (const bytes of [Buffer.alloc(0), Buffer.from('{"a":1}'), Buffer.from([0, 0, 0, 1])]) {
    expect(() => schemaIdOf(bytes, 'shop.public.orders')).toThrow(
      expect.objectContaining({ code: 'PARSE_FAILED', message: expect.stringContaining('shop.public.orders') }),
    );
  }
});
