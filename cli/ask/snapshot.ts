import type { SnapshotRequest } from '../../shared/connector/source.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { EXIT } from '../../shared/errors/codes.ts';
import { type SignalRequest, writeSignal } from '../../topics/signals.ts';
import { readLogSettings } from '../look/log-settings.ts';
import { CommandFailure, formatCount, print, progress } from '../terminal.ts';
import { untilAnswered } from './answer.ts';

export interface SnapshotOptions {
  readonly source?: string;
  readonly tables?: string;
  readonly where?: string;
  readonly pause?: boolean;
  readonly resume?: boolean;
  readonly stop?: boolean;
  readonly wait?: boolean;
}

/** Writes a signal, and says what the source makes of it; gives the exit code. */
export async function askForSnapshot(options: SnapshotOptions): Promise<number> {
  const source = options.source ?? process.env['SOURCE_NAME'] ?? '';
  if (source === '') throw new CdcError('CONFIG_INVALID', 'Which source? Give its name by --source, or set SOURCE_NAME.');
  const request = toRequest(options);
  const settings = readLogSettings();
  const id = await writeSignal(settings, source, request);
  progress(`Asked ${source} for ${request.type}, request ${id}.`);
  const answer = await untilAnswered(settings, { source, id, isPatient: options.wait === true });
  if (answer === undefined) {
    print(`No process of ${source} has taken it yet: the one that runs next will.`);
    return EXIT.stopped;
  }
  if (answer.state === 'refused') throw new CommandFailure(`${source} refused it: ${answer.reason ?? 'without a reason'}.`);
  print(describe(answer));
  return EXIT.stopped;
}

function toRequest({ tables, where, ...options }: SnapshotOptions): SignalRequest {
  const named = (['pause', 'resume', 'stop'] as const).filter((type) => options[type] === true);
  const [type = 'snapshot'] = named;
  if (named.length + (tables === undefined ? 0 : 1) !== 1) {
    throw new CdcError('CONFIG_INVALID', 'What is asked for is not clear: give one of --tables, --pause, --resume and --stop.');
  }
  if (where !== undefined && tables === undefined) throw new CdcError('CONFIG_INVALID', '--where belongs to --tables.');
  const names = (tables ?? '').split(',').map((name) => name.trim());
  return { type, tables: names.filter((name) => name !== ''), where: where ?? null };
}

function describe({ type, state, tables, rows }: SnapshotRequest): string {
  if (type !== 'snapshot') return `Done: ${type}.`;
  const names = tables.join(', ');
  if (state === 'done') return `Done: ${formatCount(rows)} rows of ${names}.`;
  return state === 'stopped' ? `Stopped: ${names}.` : `Taken: ${names}, ${state}.`;
}
