import { readFileSync } from 'node:fs';

const SUFFIX = '_FILE';

type Environment = Readonly<Record<string, string | undefined>>;

/** The text of a setting, or what is wrong with the way in which it is given. */
interface Given {
  readonly given: string | undefined;
  readonly problem?: { readonly name: string; readonly message: string };
}

/** Every name under which these settings may be given: a secret one also as the path of a file, with `_FILE` behind its name. */
export function settingNames(options: Readonly<Record<string, { readonly isSecret?: boolean | undefined }>>): readonly string[] {
  return Object.entries(options).flatMap(([name, { isSecret }]) => (isSecret === true ? [name, name + SUFFIX] : [name]));
}

/** The value of a setting from the environment, or from the file that the environment names for a secret one. */
export function readSetting(name: string, isSecret: boolean, environment: Environment): Given {
  const given = withoutEmpty(environment[name]);
  const path = isSecret ? withoutEmpty(environment[name + SUFFIX]) : undefined;
  if (path === undefined) return { given };
  if (given !== undefined) return { given, problem: { name: name + SUFFIX, message: `is set, and so is ${name}: only one of them can hold` } };
  try {
    const text = withoutNewline(readFileSync(path, 'utf8'));
    if (text !== '') return { given: text };
    return { given: undefined, problem: { name: name + SUFFIX, message: `names ${path}, which is empty` } };
  } catch (error) {
    const reason = String((error as { code?: unknown }).code);
    return { given: undefined, problem: { name: name + SUFFIX, message: `names ${path}, which cannot be read (${reason})` } };
  }
}

/** Settings of a file, without those that the environment gives in the other way: the one of the two that it names holds. */
export function withoutOverruled(settings: Environment, environment: Environment): Environment {
  const isOverruled = (name: string) => withoutEmpty(environment[counterpart(name)]) !== undefined;
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !isOverruled(name)));
}

function counterpart(name: string): string {
  return name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : name + SUFFIX;
}

/** An empty variable counts as not set, as Compose files write it. */
function withoutEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

/** Editors and secret stores end a file with a line break that belongs to no password. */
function withoutNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}
