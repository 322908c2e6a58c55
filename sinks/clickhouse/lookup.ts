import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { Row } from '../../shared/record/row.ts';
import { endOfCell, readLength } from './cells.ts';
import type { ClickHouseClient } from './client.ts';
import { encodeIdentity, type FetchedRow } from './outgoing.ts';
import { namedType, plannedColumns, type PlannedColumn, type TablePlan } from './plan.ts';
import { RowBinaryWriter } from './row-binary.ts';
import { buildLookup, buildMatch, type NamedType, ROW_ID_COLUMN } from './statements.ts';
import { parseColumnType } from './types.ts';

/** What tells a row from the others, as a key of maps: its key's values in RowBinary. */
export function identityOf(plan: TablePlan, image: Row): string {
  const out = new RowBinaryWriter(image.byteLength * 2);
  encodeIdentity(out, plan, image);
  return out.view().latin1Slice();
}

/** The wanted columns of the target's live rows with the keys of these images, by `identityOf`. */
export async function fetchRows(
  client: ClickHouseClient,
  plan: TablePlan,
  { images, wanted }: { readonly images: readonly Row[]; readonly wanted: readonly number[] },
): Promise<ReadonlyMap<string, FetchedRow>> {
  const keys = plannedColumns(
    plan,
    plan.schema.columns.keys().filter((index) => plan.schema.key.includes(index)),
  );
  const indexes = wanted.filter((index) => plan.columns[index] !== null);
  const wantedColumns = plannedColumns(plan, indexes);
  if (images.length === 0 || wantedColumns.length === 0) return new Map();
  const sql = buildLookup({ table: plan.table, keys: keys.map(namedType), wanted: wantedColumns.map(namedType), values: encodeIdentities(plan, images) });
  const bytes = await client.bytes({ sql, action: `reading unchanged values of ${plan.schema.qualifiedName}` });
  return new Map(readAnswer(bytes, { keys, wanted: wantedColumns, indexes }));
}

/** Ids of the target's live rows that equal these images of a table without a key, oldest first, by `identityOf`. */
export async function matchRows(client: ClickHouseClient, plan: TablePlan, images: readonly Row[]): Promise<Map<string, number[]>> {
  const ids = new Map<string, number[]>();
  if (images.length === 0) return ids;
  const columns = plannedColumns(plan);
  const sql = buildMatch({ table: plan.table, columns: columns.map(namedType), values: encodeIdentities(plan, images), limit: images.length });
  const bytes = await client.bytes({ sql, action: `finding rows of ${plan.schema.qualifiedName}` });
  for (const [identity, row] of readAnswer(bytes, { keys: columns, wanted: [ROW_ID], indexes: [0] })) {
    const id = Number(row.bytes.readBigUInt64LE(row.starts.get(0) ?? 0));
    ids.set(identity, [...(ids.get(identity) ?? []), id]);
  }
  return ids;
}

const ROW_ID: Pick<PlannedColumn, 'name' | 'type'> = { name: ROW_ID_COLUMN, type: parseColumnType('UInt64') };

function encodeIdentities(plan: TablePlan, images: readonly Row[]): Buffer {
  const out = new RowBinaryWriter();
  for (const image of images) encodeIdentity(out, plan, image);
  return out.view();
}

interface AnswerLayout {
  readonly keys: readonly Pick<PlannedColumn, 'name' | 'type'>[];
  readonly wanted: readonly Pick<PlannedColumn, 'name' | 'type'>[];
  /** Under which index each wanted column is to be found. */
  readonly indexes: readonly number[];
}

function* readAnswer(bytes: Buffer, { keys, wanted, indexes }: AnswerLayout): Iterable<readonly [string, FetchedRow]> {
  let position = readHeader(
    bytes,
    [...keys, ...wanted].map(({ name, type }) => ({ name, type: type.text })),
  );
  while (position < bytes.length) {
    const start = position;
    for (const { type } of keys) position = endOfCell(bytes, position, type);
    const identity = bytes.latin1Slice(start, position);
    const starts = new Map<number, number>();
    const ends = new Map<number, number>();
    for (const [place, { type }] of wanted.entries()) {
      starts.set(indexes[place] ?? 0, position);
      position = endOfCell(bytes, position, type);
      ends.set(indexes[place] ?? 0, position);
    }
    yield [identity, { bytes, starts, ends }];
  }
}

/** Where the rows begin. The table may have changed since the plan was made: then nothing behind it can be read. */
function readHeader(bytes: Buffer, columns: readonly NamedType[]): number {
  const { value: count, end } = readLength(bytes, 0);
  const expected = [...columns.map(({ name }) => name), ...columns.map(({ type }) => type)];
  let position = end;
  const found = expected.map(() => {
    const text = readLength(bytes, position);
    position = text.end + text.value;
    return bytes.utf8Slice(text.end, position);
  });
  if (count === columns.length && found.every((text, index) => text === expected[index])) return position;
  throw new CdcError('TARGET_BUSY', 'The target table was changed by somebody else while it was read.');
}
