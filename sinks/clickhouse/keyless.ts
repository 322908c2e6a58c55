import type { RowState } from '../../shared/record/merge-by-key.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import { UNCHANGED } from '../../shared/record/value.ts';
import type { ClickHouseClient } from './client.ts';
import type { ClickHouseConfig } from './config.ts';
import { identityOf, matchRows } from './lookup.ts';
import type { OutgoingRow } from './outgoing.ts';
import type { TablePlan } from './plan.ts';
import { buildHighestVersion } from './statements.ts';

export interface KeylessInput {
  readonly plan: TablePlan;
  /** One a change, in order. */
  readonly states: readonly RowState[];
  readonly deleteMode: ClickHouseConfig['deleteMode'];
}

/**
 * The rows to write for a table without a key.
 *
 * Each row of the target has an id, the version of the change that inserted it. An insert makes a new id; an update or
 * a delete takes the id of one live row that equals its old row, first among those of this batch, then in the target,
 * and writes a new version of it. So exactly one of several equal rows changes.
 *
 * Which row is taken depends on what is there, so no change may be applied twice. All changes of such a table come
 * through one partition in order of version, and an insert is whole or not at all: what the target has a version of,
 * or a higher one, has been applied, and is left out.
 */
export async function prepareKeyless(client: ClickHouseClient, input: KeylessInput): Promise<readonly OutgoingRow[]> {
  const states = await dropApplied(client, input);
  const oldImages = states
    .map(({ record }) => record)
    .filter(({ kind }) => kind === 'update' || kind === 'delete')
    .map(({ before }) => before);
  const inTarget = await matchRows(
    client,
    input.plan,
    oldImages.filter((image) => image !== null),
  );
  return new KeylessRows(input, inTarget).apply(states);
}

async function dropApplied(client: ClickHouseClient, { plan, states }: KeylessInput): Promise<readonly RowState[]> {
  const [first] = states;
  if (first === undefined) return [];
  const sql = buildHighestVersion(plan.table, first.record.version);
  const [row] = await client.rows<{ highest: string }>({ sql, action: `asking how far ${plan.schema.qualifiedName} is` });
  const highest = Number(row?.highest ?? 0);
  return states.filter(({ record }) => record.version > highest);
}

class KeylessRows {
  readonly #input: KeylessInput;
  readonly #inTarget: Map<string, number[]>;
  readonly #inBatch = new Map<string, number[]>();
  readonly #writer = new RowWriter();

  constructor(input: KeylessInput, inTarget: Map<string, number[]>) {
    this.#input = input;
    this.#inTarget = inTarget;
  }

  apply(states: readonly RowState[]): readonly OutgoingRow[] {
    return states.map((state) => this.#applyOne(state)).filter((row) => row !== null);
  }

  /** Null for a delete of a row that the target does not have. */
  #applyOne({ record, isDeleted }: RowState): OutgoingRow | null {
    const { kind, version, before } = record;
    const id = before === null ? undefined : this.#take(before);
    if (isDeleted && id === undefined) return null;
    const image = this.#complete((record.after ?? before) as Row, before);
    const rowId = id ?? version;
    if (!isDeleted) this.#remember(image, rowId);
    return { kind, version, isDeleted, image, isKeyOnly: isDeleted && this.#input.deleteMode === 'hard', fetched: null, rowId };
  }

  #take(image: Row): number | undefined {
    const identity = identityOf(this.#input.plan, image);
    return this.#inBatch.get(identity)?.shift() ?? this.#inTarget.get(identity)?.shift();
  }

  #remember(image: Row, id: number): void {
    const identity = identityOf(this.#input.plan, image);
    const ids = this.#inBatch.get(identity);
    if (ids === undefined) this.#inBatch.set(identity, [id]);
    else ids.push(id);
  }

  /** The old row is whole (REPLICA IDENTITY FULL), so it has what the database did not send again. */
  #complete(image: Row, before: Row | null): Row {
    if (image.unchanged === null) return image;
    const old = before?.values() ?? [];
    const values = image.values().map((value, index) => (value === UNCHANGED ? (old[index] ?? null) : value));
    return this.#writer.row(image.table, values);
  }
}
