import { z } from 'zod';
import { CdcError } from '../errors/cdc-error.ts';
import { readSetting } from './secret-file.ts';
import { Secret } from './secret.ts';

/** One setting: declared once, and from that come parsing, messages, `--help` and the tables of the READMEs. */
export interface Option<T> {
  /** From the text of the environment to the value. Its messages say what would be right. */
  readonly schema: z.ZodType<T, string | undefined>;
  readonly description: string;
  /** As the READMEs print it. */
  readonly defaultText?: string | undefined;
  readonly isSecret?: boolean | undefined;
}

export type Options = Readonly<Record<string, Option<unknown>>>;
export type Settings<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };
export type Environment = Readonly<Record<string, string | undefined>>;

type Rules<T> = Pick<Option<T>, 'description'> & { readonly default?: T };

export function text(rules: Rules<string>): Option<string> {
  return withDefault(z.string().min(1, 'expected some text'), rules);
}

export function optionalText(rules: { readonly description: string }): Option<string | undefined> {
  return { ...rules, schema: z.string().min(1, 'expected some text').optional(), defaultText: 'none' };
}

export function secret(rules: { readonly description: string }): Option<Secret> {
  return {
    ...rules,
    isSecret: true,
    schema: z
      .string('is missing')
      .min(1, 'expected some text')
      .transform((value) => new Secret(value)),
  };
}

export function optionalSecret(rules: { readonly description: string }): Option<Secret | undefined> {
  const schema = z.string().min(1, 'expected some text').optional();
  return { ...rules, isSecret: true, defaultText: 'none', schema: schema.transform((value) => (value === undefined ? undefined : new Secret(value))) };
}

export function integer(rules: Rules<number> & { readonly min?: number; readonly max?: number }): Option<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = rules;
  const range = max === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${min}` : `a whole number from ${min} to ${max}`;
  const isFine = (value: string) => /^\d+$/.test(value) && Number(value) >= min && Number(value) <= max;
  return withDefault(z.string().refine(isFine, `expected ${range}`).transform(Number), rules);
}

export function optionalInteger(rules: { readonly description: string; readonly min: number; readonly max: number }): Option<number | undefined> {
  const isFine = (value: string) => /^\d+$/.test(value) && Number(value) >= rules.min && Number(value) <= rules.max;
  const schema = z.string().refine(isFine, `expected a whole number from ${rules.min} to ${rules.max}`).transform(Number).optional();
  return { description: rules.description, schema, defaultText: 'none' };
}

export function flag(rules: Rules<boolean>): Option<boolean> {
  const schema = z.enum(['true', 'false', '1', '0', 'yes', 'no'], 'expected true or false');
  return withDefault(
    schema.transform((value) => value === 'true' || value === '1' || value === 'yes'),
    rules,
  );
}

export function oneOf<const T extends string>(values: readonly T[], rules: Rules<T>): Option<T> {
  return withDefault(z.enum(values, `expected one of: ${values.join(', ')}`) as unknown as z.ZodType<T, string>, rules);
}

export function list(rules: Rules<readonly string[]>): Option<readonly string[]> {
  const items = z.string().transform((value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );
  return withDefault(
    items.refine((value) => value.length > 0, 'expected a comma-separated list'),
    rules,
  );
}

/** Any option of ours with a further rule. */
export function checked<T>(option: Option<T>, isFine: (value: T) => boolean, expectation: string): Option<T> {
  return { ...option, schema: option.schema.refine((value) => isFine(value), expectation) };
}

function withDefault<T>(schema: z.ZodType<T, string>, rules: Rules<T>): Option<T> {
  const { description } = rules;
  if (rules.default === undefined) {
    const required = z.string('is missing').pipe(schema);
    return { description, schema: required as unknown as z.ZodType<T, string | undefined> };
  }
  const value = rules.default;
  const withFallback = schema.optional().transform((given) => given ?? value);
  const shown = Array.isArray(value) ? value.join(',') : String(value);
  return { description, defaultText: shown === '' ? 'none' : shown, schema: withFallback as unknown as z.ZodType<T, string | undefined> };
}

/** One thing wrong with the settings: which, what, and what would be right. */
export interface Problem {
  readonly name: string;
  readonly message: string;
}

/**
 * Reads the settings that are declared. An empty variable counts as not set, as Compose files write it; a secret may
 * also stand in a file that `<name>_FILE` names. Problems are collected, not thrown, so that a start
 * reports them all at once.
 */
export function readOptions<O extends Options>(
  options: O,
  environment: Environment,
): { readonly settings: Settings<O>; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const settings: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(options)) {
    const { given, problem } = readSetting(name, option.isSecret === true, environment);
    if (problem !== undefined) {
      problems.push(problem);
      continue;
    }
    const parsed = option.schema.safeParse(given);
    if (parsed.success) settings[name] = parsed.data;
    else problems.push({ name, message: describe(option, given, parsed.error.issues[0]?.message ?? 'is not right') });
  }
  return { settings: Object.freeze(settings) as Settings<O>, problems };
}

function describe(option: Option<unknown>, given: string | undefined, issue: string): string {
  const wanted = `(${option.description})`;
  if (given === undefined) return `is missing ${wanted}`;
  return `${option.isSecret === true ? '' : `is ${JSON.stringify(withoutLogin(given))}: `}${issue} ${wanted}`;
}

/** An address may hold user and password. */
function withoutLogin(given: string): string {
  return given.replace(/\/\/.*@/, '//…@');
}

/** Prefixes that are ours in an environment, and names under them that belong to others. */
const PREFIXES = [
  'SOURCE_',
  'SINK_',
  'SNAPSHOT_',
  'KAFKA_',
  'SCHEMA_REGISTRY_',
  'HTTP_',
  'LOG_',
  'FLUSH_',
  'TOPIC_',
  'PUBLISH_',
  'MASK_',
  'EXCLUDE_COLUMN',
  'ROW_FILTER',
  'MESSAGE_KEY',
];
const FOREIGN = /^(HTTP_PROXY|KAFKA_(HOME|OPTS|HEAP_OPTS|LOG4J_OPTS|JMX_OPTS|JMX_PORT|JVM_PERFORMANCE_OPTS|DEBUG|GC_LOG_OPTS))$/;

/** Settings that look like ours and are not: most often typing mistakes. */
export function findUnknown(environment: Environment, known: Iterable<string>): readonly Problem[] {
  const ours = Object.keys(environment).filter((name) => PREFIXES.some((prefix) => name.startsWith(prefix)) && !FOREIGN.test(name));
  return findUnknownNames(ours, known);
}

/** Names that are meant as settings of ours and are none. */
export function findUnknownNames(given: readonly string[], known: Iterable<string>): readonly Problem[] {
  const names = new Set(known);
  return given.filter((name) => !names.has(name)).map((name) => ({ name, message: `is not a setting of ours${suggest(name, names)}` }));
}

function suggest(name: string, known: ReadonlySet<string>): string {
  let best = '';
  let bestDistance = 4;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best === '' ? '' : `; did you mean ${best}?`;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** One error that lists every problem, or nothing. */
export function throwIfProblems(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const onlyUnknown = problems.every(({ message }) => message.startsWith('is not a setting'));
  const lines = problems.map(({ name, message }) => `  ${name} ${message}`);
  const count = problems.length === 1 ? 'One setting is' : `${problems.length} settings are`;
  throw new CdcError(onlyUnknown ? 'CONFIG_UNKNOWN_OPTION' : 'CONFIG_INVALID', `${count} not right:\n${lines.join('\n')}`);
}
