import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameReader } from './frame-reader.ts';

function frame(type: string, body: Buffer): Buffer {
  const header = Buffer.alloc(5, type);
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

const logData = (text: string) => frame('d', Buffer.concat([Buffer.from('w'), Buffer.alloc(24), Buffer.from(text)]));

function keepalive(low: number, shouldRespond: boolean): Buffer {
  const body = Buffer.alloc(18, 'k');
  body.writeUInt32BE(7, 1);
  body.writeUInt32BE(low, 5);
  body[17] = shouldRespond ? 1 : 0;
  return frame('d', body);
}

/** A reader that writes down what it hands on; `onMessage` may do more. */
function readerWithLog(onMessage: (text: string, reader: FrameReader) => void = () => undefined) {
  const seen: string[] = [];
  const reader: FrameReader = new FrameReader({
    onMessage: (bytes, start, end) => {
      const text = bytes.toString('latin1', start, end);
      seen.push(text);
      onMessage(text, reader);
    },
    onKeepalive: ({ high, low }, shouldRespond) => void seen.push(`keepalive ${high}/${low} ${shouldRespond}`),
    onOther: (bytes) => void seen.push(`other ${bytes.toString('latin1', 0, 1)} of ${bytes.length}`),
  });
  return { reader, seen };
}

const STREAM = Buffer.concat([
  frame('W', Buffer.alloc(3)),
  logData('one'),
  keepalive(12, true),
  logData('x'.repeat(300)),
  keepalive(13, false),
  logData('two'),
  frame('c', Buffer.alloc(0)),
]);
const EXPECTED = ['other W of 8', 'one', 'keepalive 7/12 true', 'x'.repeat(300), 'keepalive 7/13 false', 'two', 'other c of 5'];

describe('frames of a replication stream', () => {
  test('come out whole, however the socket cuts them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1 }), (sizes) => {
        const { reader, seen } = readerWithLog();
        for (let at = 0, turn = 0; at < STREAM.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          reader.receive(STREAM.subarray(at, at + size));
          at += size;
        }
        expect(seen).toEqual(EXPECTED);
      }),
    );
  });

  test('wait where a handler has paused, and come in order when it goes on', () => {
    const { reader, seen } = readerWithLog((_, self) => self.pause());
    reader.receive(STREAM);
    expect(seen).toEqual(EXPECTED.slice(0, 2));
    reader.receive(logData('later'));
    reader.resume();
    expect(seen).toEqual(EXPECTED.slice(0, 4));
    for (let turn = 0; turn < 2; turn++) reader.resume();
    expect(seen).toEqual([...EXPECTED, 'later']);
  });

  test('go on at once where a handler pauses and resumes within one call', () => {
    const { reader, seen } = readerWithLog((_, self) => {
      self.pause();
      self.resume();
    });
    reader.receive(STREAM);
    expect(seen).toEqual(EXPECTED);
  });

  test.each([
    ['a length shorter than itself', Buffer.from([0x64, 0, 0, 0, 1])],
    ['a negative length', Buffer.from([0x64, 0xff, 0, 0, 1])],
    ['data of another kind', frame('d', Buffer.from('?'))],
    ['log data that ends before it begins', frame('d', Buffer.from('w123'))],
    ['a keepalive that is cut', frame('d', Buffer.from('k123'))],
  ])('are refused with %s', (_, bytes) => {
    const { reader } = readerWithLog();
    expect(() => reader.receive(bytes)).toThrow(expect.objectContaining({ code: 'PARSE_FAILED' }));
  });
});
