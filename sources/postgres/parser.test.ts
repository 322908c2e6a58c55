import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isCdcError } from '../../shared/errors/cdc-error.ts';
import { capturedMessages } from '../../test/contract/captured.ts';
import { formatBigLsn, formatLsn, MESSAGE, parseBegin, parseCommit, parseLogicalMessage, parseLsn, parseRelation, parseTruncate } from './parser.ts';

const captured = capturedMessages();
const all = (kind: number) => captured.filter((bytes) => bytes[0] === kind);
const first = (kind: number) => all(kind)[0] ?? Buffer.alloc(0);

describe('captured messages', () => {
  test('a Begin and its Commit speak of the same place and time', () => {
    const [begin, commit] = [parseBegin(first(MESSAGE.begin)), parseCommit(first(MESSAGE.commit))];
    expect(commit).toMatchObject({ commitLsn: begin.commitLsn, committedAtMicros: begin.committedAtMicros });
    expect(formatLsn(commit.endLsn) > formatLsn(commit.commitLsn)).toBe(true);
    expect(begin.xid).toBeGreaterThan(0);
    const year = new Date(begin.committedAtMicros / 1000).getUTCFullYear();
    expect(year).toBeGreaterThanOrEqual(2024);
    expect(year).toBeLessThan(2100);
  });

  test('a Relation tells columns, types, modifiers and which of them make the key', () => {
    const relation = parseRelation(first(MESSAGE.relation));
    expect(relation).toMatchObject({ schema: 'fixture', name: 'plain', replicaIdentity: 'd' });
    expect(relation.columns).toEqual([
      { isKey: true, name: 'id', typeId: 23, typeModifier: -1 },
      { isKey: false, name: 'name', typeId: 1043, typeModifier: 44 },
      { isKey: false, name: 'price', typeId: 1700, typeModifier: 655_366 },
      { isKey: false, name: 'big', typeId: 25, typeModifier: -1 },
    ]);
  });

  test('under REPLICA IDENTITY FULL every column is of the key', () => {
    const whole = all(MESSAGE.relation)
      .map(parseRelation)
      .find(({ name }) => name === 'whole');
    expect(whole).toMatchObject({
      replicaIdentity: 'f',
      columns: [
        { isKey: true, name: 'a' },
        { isKey: true, name: 'b' },
      ],
    });
  });

  test('a Truncate names its tables, by the ids that their Relations have', () => {
    const names = new Map(
      all(MESSAGE.relation)
        .map(parseRelation)
        .map(({ id, name }) => [id, name]),
    );
    expect(parseTruncate(first(MESSAGE.truncate)).relationIds.map((id) => names.get(id))).toEqual(['plain', 'whole', 'other']);
  });

  test('a logical message has its prefix and its content, in a transaction or outside of any', () => {
    expect(all(MESSAGE.message).map(parseLogicalMessage)).toMatchObject([
      { isTransactional: false, prefix: 'outside', content: 'of any: ü' },
      { isTransactional: true, prefix: 'inside', content: 'a transaction' },
    ]);
  });
});

test('what others write into the log may be of any length and any bytes: it is passed over', () => {
  const head = Buffer.concat([Buffer.from('M\0'), Buffer.alloc(8), Buffer.from('theirs\0')]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(1_000_000);
  expect(parseLogicalMessage(Buffer.concat([head, length, Buffer.alloc(1_000_000, 0xff)]))).toMatchObject({ prefix: 'theirs', content: '' });
});

describe('bytes that are no message', () => {
  const parsers = { parseBegin, parseCommit, parseRelation, parseTruncate, parseLogicalMessage };

  /** Runs it; only one kind of error may come. */
  function tries(parse: (bytes: Buffer) => unknown, bytes: Buffer): string {
    try {
      parse(bytes);
      return 'parsed';
    } catch (error) {
      return isCdcError(error) ? error.code : String(error);
    }
  }

  test.each(Object.entries(parsers))('%s refuses a captured message that was cut anywhere', (_, parse) => {
    const kinds = {
      parseBegin: MESSAGE.begin,
      parseCommit: MESSAGE.commit,
      parseRelation: MESSAGE.relation,
      parseTruncate: MESSAGE.truncate,
      parseLogicalMessage: MESSAGE.message,
    };
    const whole = first(kinds[parse.name as keyof typeof kinds]);
    const outcomes = Array.from({ length: whole.length }, (_unused, length) => tries(parse, whole.subarray(0, length)));
    expect(new Set(outcomes)).toEqual(new Set(['PARSE_FAILED']));
  });

  test.each(Object.entries(parsers))('%s throws PARSE_FAILED on random bytes, and nothing else', (_, parse) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(['parsed', 'PARSE_FAILED']).toContain(tries(parse, Buffer.from(bytes)));
      }),
      { numRuns: 2000 },
    );
  });

  test('a count that no message can hold is refused before anything is made of it', () => {
    expect(tries(parseTruncate, Buffer.from('54ffffffff00', 'hex'))).toBe('PARSE_FAILED');
    expect(tries(parseRelation, Buffer.from('520000000161006200640100ffff', 'hex'))).toBe('PARSE_FAILED');
  });
});

describe('an LSN as text', () => {
  test.each([
    ['0/0', 0n, '00000000/00000000'],
    ['16/B374D848', 0x16b374d848n, '00000016/B374D848'],
    ['FFFFFFFF/FFFFFFFF', 0xffffffffffffffffn, 'FFFFFFFF/FFFFFFFF'],
  ])('%s', (text, value, formatted) => {
    expect(parseLsn(text)).toBe(value);
    expect(formatBigLsn(value)).toBe(formatted);
    expect(formatLsn({ high: Number(value >> 32n), low: Number(value & 0xffffffffn) })).toBe(formatted);
  });

  test('compares as the number does', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (a, b) => {
        expect(formatBigLsn(a) < formatBigLsn(b)).toBe(a < b);
        expect(parseLsn(formatBigLsn(a))).toBe(a);
      }),
    );
  });
});
