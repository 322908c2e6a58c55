import type { ProcessMark } from './process.ts';
import { SERVICE_NAMES, type ServiceName } from './service.ts';
import type { ServiceState, StackState } from './state.ts';

/** Broker and registry always, and the databases that were named; everything if nothing was. */
export function servicesFor(named: readonly ServiceName[]): ServiceName[] {
  if (named.length === 0) return [...SERVICE_NAMES];
  return SERVICE_NAMES.filter((name) => name === 'kafka' || name === 'registry' || named.includes(name));
}

/** For `eval "$(npm run --silent stack -- up)"`. */
export function exportLines(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'\n`)
    .join('');
}

export function statusTable(states: readonly StackState[], alive: (mark: ProcessMark) => boolean): string {
  const rows = states.flatMap((state) =>
    SERVICE_NAMES.flatMap((name) => {
      const service = state.services[name];
      return service === undefined ? [] : [[name, condition(service, alive), service.origin, handle(service), withoutPassword(service.url), keeper(state)]];
    }),
  );
  if (rows.length === 0) return 'No stack is up.\n';
  return aligned([['service', 'state', 'runs as', 'pid or container', 'url', 'kept by'], ...rows]);
}

function condition(service: ServiceState, alive: (mark: ProcessMark) => boolean): string {
  if (service.process === undefined) return service.origin === 'url' ? 'given' : 'started';
  return alive(service.process) ? 'running' : 'gone';
}

function handle(service: ServiceState): string {
  return service.process === undefined ? (service.container?.slice(0, 12) ?? '-') : String(service.process.pid);
}

function keeper(state: StackState): string {
  return state.owner === null ? 'itself, until down' : `process ${state.owner.pid}`;
}

export function withoutPassword(url: string): string {
  return url.replace(/^(\w+:\/\/[^:@/]*):[^@/]*@/, '$1:***@');
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
