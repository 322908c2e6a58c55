import { CdcError } from '../errors/cdc-error.ts';

/** The steps of sources and sinks at which a test can end their process. */
const FAILPOINTS = [
  // A source, at its start and in the order of a change's way.
  'after-setup',
  'after-read',
  'after-key-before-value-schema',
  'after-flush',
  'after-produce-before-commit',
  'after-commit-before-confirm',
  // A source's snapshot.
  'inside-chunk',
  'after-chunk-before-mark',
  'after-mark-before-publish',
  // A sink.
  'after-decode',
  'after-load-before-offsets',
  'after-offsets',
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

let armed: Failpoint | undefined;
let remaining = 0;

/**
 * Arms one point from its text, `name` or `name:count`: the process ends there, as by kill -9, when it comes by for the
 * `count`-th time. Throws `CONFIG_INVALID` for a name that is no point: a test that waits for it would prove nothing.
 */
export function armFailpoint(text: string | undefined): void {
  if (text === undefined || text === '') return;
  const [name, count = '1'] = text.split(':');
  armed = FAILPOINTS.find((point) => point === name);
  remaining = Number(count);
  if (armed === undefined || !(remaining >= 1))
    throw new CdcError('CONFIG_INVALID', `DBMAZZ_FAILPOINT is "${text}": expected one of ${FAILPOINTS.join(', ')}, and a number after a colon.`);
}

/** A no-op unless a test has armed this point. Called once a batch, a chunk or a transaction, never once a record. */
export function failAt(point: Failpoint): void {
  if (armed === point && --remaining === 0) process.kill(process.pid, 'SIGKILL');
}
