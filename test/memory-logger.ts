import { Writable } from 'node:stream';
import { pino } from 'pino';
import type { Logger } from '../shared/observe/log.ts';

export interface LogLine {
  readonly level: string;
  readonly msg: string;
}

/** A log that keeps its lines. */
export function createMemoryLog(): { readonly log: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as LogLine);
      done();
    },
  });
  return { log: pino({ level: 'debug', base: null, formatters: { level: (level) => ({ level }) } }, stream), lines };
}
