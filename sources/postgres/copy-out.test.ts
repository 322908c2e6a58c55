import { PassThrough } from 'node:stream';
import type { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { type CopyHandlers, copyOut } from './copy-out.ts';

/** A message of the server: its type, its length, its content. */
function message(type: string, content: string | Buffer = ''): Buffer {
  const bytes = Buffer.from(content);
  const header = Buffer.alloc(5, type);
  header.writeInt32BE(4 + bytes.length, 1);
  return Buffer.concat([header, bytes]);
}

const BEGIN = message('H', Buffer.of(0, 0, 0));
const END = Buffer.concat([message('c'), message('C', 'COPY 2'), message('Z', 'I')]);
const rowsOf = (...rows: readonly string[]) => Buffer.concat([BEGIN, ...rows.map((row) => message('d', row)), END]);

interface Query {
  submit(connection: unknown): void;
  handleReadyForQuery(): void;
  handleError(error: unknown): void;
}

/** The driver, as far as a copy needs it: what it gets of the socket, and what it does of it. */
class Driver {
  readonly stream = new PassThrough();
  readonly read: string[] = [];
  #query: Query | undefined;

  constructor() {
    this.stream.on('data', (bytes: Buffer) => {
      this.read.push(bytes.toString('latin1', 0, 1));
      if (bytes[0] === 0x5a) this.#query?.handleReadyForQuery();
      if (bytes[0] === 0x45) this.#query?.handleError(new Error('refused'));
    });
  }

  query(query: unknown): unknown {
    if (typeof query === 'string') return undefined;
    this.#query = query as Query;
    this.#query.submit(this);
    return query;
  }

  copy(handlers: CopyHandlers): Promise<void> {
    return copyOut(this as unknown as Client, 'COPY', handlers);
  }
}

/** Rows that come of what the server sends in pieces. */
async function copied(...pieces: readonly Buffer[]): Promise<{ rows: string[]; driver: Driver }> {
  const [driver, rows] = [new Driver(), [] as string[]];
  const done = driver.copy({ onRow: (bytes, start, end) => void rows.push(bytes.utf8Slice(start, end)) });
  for (const piece of pieces) driver.stream.write(piece);
  await done;
  return { rows, driver };
}

describe('the output of a copy', () => {
  test('comes row by row, wherever it is cut; everything else goes to the driver, which reads on behind it', async () => {
    const bytes = rowsOf('first', '', 'third, a longer one');
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { rows, driver } = await copied(bytes.subarray(0, cut), bytes.subarray(cut));
      driver.stream.write(message('N'));
      expect([rows, driver.read]).toEqual([
        ['first', '', 'third, a longer one'],
        ['C', 'Z', 'N'],
      ]);
    }
    const { rows } = await copied(...Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)));
    expect(rows).toEqual(['first', '', 'third, a longer one']);
  });

  test('of a large row is joined once, however many pieces it comes in', async () => {
    const bytes = rowsOf('x'.repeat(20_000_000), 'end');
    const pieces = Array.from({ length: Math.ceil(bytes.length / 8192) }, (_, at) => bytes.subarray(at * 8192, (at + 1) * 8192));
    const { rows } = await copied(...pieces);
    expect(rows.map(({ length }) => length)).toEqual([20_000_000, 3]);
  });

  test('waits for what a piece is dealt with', async () => {
    const driver = new Driver();
    const [passage, rows] = [Promise.withResolvers<void>(), [] as string[]];
    const done = driver.copy({ onRow: (bytes, start, end) => void rows.push(bytes.utf8Slice(start, end)), onPiece: () => passage.promise });
    driver.stream.write(Buffer.concat([BEGIN, message('d', 'first')]));
    await new Promise(setImmediate);
    driver.stream.write(Buffer.concat([message('d', 'second'), END]));
    await new Promise(setImmediate);
    expect(rows).toEqual(['first']);
    passage.resolve();
    await done;
    expect(rows).toEqual(['first', 'second']);
  });

  test.each(['onRow', 'onPiece'] as const)('ends with what %s throws, and leaves a connection of further use', async (place) => {
    const driver = new Driver();
    const fail = () => {
      throw new Error('not that one');
    };
    const done = driver.copy({ onRow: () => undefined, [place]: fail });
    driver.stream.write(rowsOf('first', 'second'));
    await expect(done).rejects.toThrow('not that one');
    expect(driver.read).toEqual(['C', 'Z']);
    const [again, rows] = [Promise.withResolvers<void>(), [] as string[]];
    void driver.copy({ onRow: (bytes, start, end) => void rows.push(bytes.utf8Slice(start, end)) }).then(again.resolve);
    driver.stream.write(rowsOf('third'));
    await again.promise;
    expect(rows).toEqual(['third']);
  });

  test('ends with the error of the server', async () => {
    const driver = new Driver();
    const done = driver.copy({ onRow: () => undefined });
    driver.stream.write(Buffer.concat([message('E'), message('Z', 'I')]));
    await expect(done).rejects.toThrow('refused');
    expect(driver.read).toEqual(['E', 'Z']);
  });
});
