import type { PostgresSourceSettings } from './config.ts';

/**
 * Sources whose log holds what is read in text form alone, by the settings that all attempts of a process share.
 *
 * The catalogue as it is now does not tell: a column may have been dropped since. So the log is asked for in binary
 * form first, and after such a find in text form, until the process ends.
 */
const readAsText = new WeakSet<PostgresSourceSettings>();

export function needsText(settings: PostgresSourceSettings): boolean {
  return readAsText.has(settings);
}

export function readAsTextFromNowOn(settings: PostgresSourceSettings): void {
  readAsText.add(settings);
}
