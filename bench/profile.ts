import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, BenchContext } from './bench.ts';
import { Connector } from './connector.ts';
import { BenchDatabase } from './database.ts';
import { type CpuProfile, type SelfTime, selfTimes } from './profile/self-times.ts';
import { sourceEnvironment } from './stages/source-process.ts';
import { plainText, thousands, type ResultTable } from './table.ts';
import { workloadOf } from './workloads.ts';

const ROOT = new URL('../', import.meta.url).href;
const TOP = 25;

export interface ProfileResult {
  readonly workload: string;
  readonly changes: number;
  /** Milliseconds of work in all functions together. */
  readonly busyMs: number;
  readonly top: readonly SelfTime[];
}

/** Where the time of a source process goes: Node's own CPU profile, by the time in each function itself. */
export const profileBench: Bench = {
  name: 'profile',
  about: 'where the time of the source goes, with --workload and --rows as above; the profile is kept for other tools',
  services: ['kafka', 'registry', 'postgres'],
  run: async (context) => {
    for (const name of context.options.workload.split(',')) {
      const result = await profileSource(context, name);
      context.print(plainText(profileTable(result)));
      context.keep(`profile-${name}`, result);
    }
  },
};

export function profileTable({ top, busyMs, changes }: ProfileResult): ResultTable {
  return {
    head: [`self time, ${thousands(changes)} changes`, 'ms', 'of all', 'ns a change', 'where'],
    rows: top
      .slice(0, TOP)
      .map(({ name, place, ms }) => [name, ms.toFixed(0), `${((ms / busyMs) * 100).toFixed(1)} %`, ((ms * 1e6) / changes).toFixed(0), place]),
  };
}

async function profileSource({ urls, options, say }: BenchContext, name: string): Promise<ProfileResult> {
  const workload = workloadOf(name, options.rows);
  const folder = mkdtempSync(join(tmpdir(), 'dbmazz-profile-'));
  const file = `${name}.cpuprofile`;
  const database = new BenchDatabase(urls.postgresUrl, `profile_${name}`);
  say(`profile: making ${workload.changes.toLocaleString('en')} changes (${workload.about}) …`);
  await database.create(workload);
  const slot = await database.newSlot();
  try {
    const settings = sourceEnvironment({ ...database.input(slot, urls), tables: workload.tables, runName: `bench-profile-${process.pid}-${name}` });
    const nodeFlags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${file}`];
    await using source = await Connector.start({ program: 'source', settings, nodeFlags });
    await source.until(({ changes = 0 }) => changes >= workload.changes);
    // The profile is written when the process ends.
    await source.stop();
  } finally {
    await database.dropSlot(slot);
    await database.drop();
  }
  const path = join(folder, file);
  say(`profile: ${path} (open it in the browser's developer tools or an editor)`);
  const { busyMs, top } = selfTimes(JSON.parse(readFileSync(path, 'utf8')) as CpuProfile, ROOT);
  return { workload: name, changes: workload.changes, busyMs, top: top.slice(0, TOP) };
}
