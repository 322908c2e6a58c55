import fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomTables } from '../../test/random-rows.ts';
import { KeyIndex } from './key-index.ts';
import { RowWriter } from './row-writer.ts';
import { TableSchema } from './table-schema.ts';

/** Numbers by the key's text, as a map would give them. */
function numbersOf(texts: readonly string[]): readonly number[] {
  const known = new Map<string, number>();
  return texts.map((text) => {
    const number = known.get(text) ?? known.size;
    known.set(text, number);
    return number;
  });
}

test('equal keys have one number, other keys another, in the order in which they come', () => {
  fc.assert(
    fc.property(
      randomTables().filter(({ table }) => table.key.length > 0),
      fc.array(fc.nat(4), { maxLength: 30 }),
      fc.nat(20),
      ({ table, rows }, picks, expected) => {
        // Each row is written anew, so that no two share their bytes.
        const writer = new RowWriter(512);
        const images = picks.map((pick) => writer.row(table, rows[pick % rows.length] ?? []));
        const index = new KeyIndex(table.key.length, expected);
        expect(images.map((image) => index.numberOf(image))).toEqual(numbersOf(images.map((image) => image.keyText())));
        expect(index.size).toBe(new Set(images.map((image) => image.keyText())).size);
      },
    ),
    { numRuns: 300 },
  );
});

test('many more keys than were expected', () => {
  const columns = [
    { name: 'a', dataType: { kind: 'text' }, nullable: false, nativeType: 'text' },
    { name: 'rest', dataType: { kind: 'int32' }, nullable: true, nativeType: 'int4' },
    { name: 'b', dataType: { kind: 'int32' }, nullable: false, nativeType: 'int4' },
  ] as const;
  const table = new TableSchema({ database: 'd', schema: 'public', name: 't', columns, key: [2, 0] });
  const writer = new RowWriter();
  const index = new KeyIndex(2, 0);
  for (let round = 0; round < 2; round++) {
    for (let id = 0; id < 20_000; id++) expect(index.numberOf(writer.row(table, [String(id % 100), round, Math.trunc(id / 100)]))).toBe(id);
  }
});
