import type { Client } from 'pg';
import type { SlotHealth } from '../../shared/connector/source.ts';
import { SLOT_HEALTH } from './statements.ts';

interface SlotHealthRow {
  readonly active: boolean;
  readonly wal_status: string | null;
  readonly safe_bytes: number | null;
  readonly invalidation_reason: string | null;
  readonly current: number;
  readonly confirmed: number | null;
  readonly restart: number | null;
  readonly budget_bytes: number | null;
}

/** Undefined where there is no such slot. */
export async function readSlotHealth(client: Client, name: string): Promise<SlotHealth | undefined> {
  const { rows } = await client.query<SlotHealthRow>(SLOT_HEALTH, [name]);
  const [row] = rows;
  if (row === undefined) return undefined;
  const { active: isActive, wal_status: status, safe_bytes: safeBytes, invalidation_reason: invalidation, current, confirmed, restart } = row;
  return { name, isActive, current, confirmed, restart, safeBytes, budgetBytes: row.budget_bytes, status, invalidation, remedy: remedyFor(row) };
}

function remedyFor({ active, budget_bytes: budget }: SlotHealthRow): string {
  const more = budget === null ? '' : ' ALTER SYSTEM SET max_slot_wal_keep_size to more, or to -1; then SELECT pg_reload_conf();';
  if (!active) return `Start the source, or see why it waits.${more}`;
  return `See why the source is slow: the broker, a long transaction in the database, or a pause.${more}`;
}
