import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import type { Binding } from './binding.ts';
import type { PostgresSinkConfig } from './config.ts';
import type { StagedBatch } from './staging.ts';
import type { Written } from './write.ts';

const FORGET_EVERY_MS = 3600 * 1000;
const MAX_DETOURS = 256;

/** What a sink knows of the tables that it writes. */
export class Tables {
  readonly #tombstoneDays: number;
  /** By the fingerprint of the source table: a table may be written in an older version again, after a restart. */
  readonly #bindings = new Map<string, Binding>();
  /** Which source table owns a target table. */
  readonly #owners = new Map<string, string>();
  readonly #forgotAt = new Map<string, number>();
  /** How often the rows of a table shall not be tried as new ones, and how often after the next failure. */
  readonly #detours = new Map<string, { left: number; next: number }>();

  constructor({ tombstoneDays }: PostgresSinkConfig) {
    this.#tombstoneDays = tombstoneDays;
  }

  bindingOf(table: TableSchema): Binding | undefined {
    return this.#bindings.get(table.fingerprint);
  }

  /** Other versions of the table are bound anew when they come: the target may not be what it was. */
  remember(table: TableSchema, binding: Binding): void {
    for (const [fingerprint, other] of this.#bindings) {
      if (other.name === binding.name) this.#bindings.delete(fingerprint);
    }
    this.#bindings.set(table.fingerprint, binding);
  }

  /** Throws `CONFIG_INVALID` where two source tables would share a target: their versions cannot be compared. */
  claim(target: string, table: TableSchema): void {
    const source = `${table.database}.${table.qualifiedName}`;
    const owner = this.#owners.get(target) ?? source;
    if (owner === source) {
      this.#owners.set(target, source);
      return;
    }
    throw new CdcError('CONFIG_INVALID', `${owner} and ${source} would both be written to table ${target}.`, {
      remedy: 'Set SINK_TABLE={schema}_{table}, or use one sink, with a SINK_SCHEMA of its own, for each of them.',
    });
  }

  /** Whether a batch is worth trying as new rows. In a replay that fails, so failures make the attempts rarer. */
  mayBeNew({ name, isDirect }: Binding, { allNewFrom }: StagedBatch): boolean {
    if (!isDirect || allNewFrom === 0) return false;
    const detour = this.#detours.get(name);
    if (detour === undefined || detour.left === 0) return true;
    detour.left--;
    return false;
  }

  learn({ name }: Binding, { way }: Written): void {
    if (way === 'direct') this.#detours.delete(name);
    if (way !== 'conflict') return;
    const next = this.#detours.get(name)?.next ?? 1;
    this.#detours.set(name, { left: next, next: Math.min(next * 2, MAX_DETOURS) });
  }

  /** Whether a batch is to forget deletes of long ago: about once an hour, in a table that has deletes. */
  isForgetting({ name }: Binding, { removals }: StagedBatch, nowMs: number): boolean {
    if (removals === 0 || this.#tombstoneDays === 0) return false;
    if (nowMs - (this.#forgotAt.get(name) ?? 0) < FORGET_EVERY_MS) return false;
    this.#forgotAt.set(name, nowMs);
    return true;
  }
}
