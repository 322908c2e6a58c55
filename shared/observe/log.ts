import { createRequire } from 'node:module';
import { pino } from 'pino';
import type { PinoPretty } from 'pino-pretty';
import { isCdcError } from '../errors/cdc-error.ts';

export type Logger = pino.Logger;

export interface LogOptions {
  readonly level: string;
  readonly format: 'auto' | 'pretty' | 'json';
  /** Fields of every line: `source` or `sink`. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Logs go to standard error, one line an entry; written at once, so that the last line before a crash is there. */
export function createLogger({ level, format, fields }: LogOptions): Logger {
  const isPretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY);
  const options: pino.LoggerOptions = { level, base: { ...fields }, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: describeError } };
  if (!isPretty) return pino(options, pino.destination({ fd: 2, sync: true }));
  // Loaded where it is used: it is no small part of what a process without a terminal would keep in memory.
  const { default: pretty } = createRequire(import.meta.url)('pino-pretty') as { readonly default: typeof PinoPretty };
  return pino(options, pretty({ destination: 2, sync: true, colorize: process.stderr.isTTY, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' }));
}

export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}

/** An error as logs show it: code, sentence, remedy and context; the driver's words one level down. */
export function describeError(error: unknown): Record<string, unknown> {
  if (isCdcError(error)) {
    const { code, message, remedy, context } = error;
    const cause = error.cause instanceof Error ? { cause: error.cause.message } : {};
    return { code, message, remedy, ...context, ...cause };
  }
  return error instanceof Error ? { message: error.message, stack: error.stack } : { message: String(error) };
}
