import { describe, expect, test } from 'vitest';
import {
  checked,
  findUnknown,
  flag,
  integer,
  list,
  oneOf,
  type Option,
  optionalInteger,
  optionalSecret,
  optionalText,
  readOptions,
  secret,
  text,
  throwIfProblems,
} from './options.ts';
import type { Secret } from './secret.ts';

const about = { description: 'what it is' };

/** The value that a text of the environment gives, or the problem that it makes. */
function read(option: Option<unknown>, given: string | undefined): unknown {
  const { settings, problems } = readOptions({ IT: option }, { IT: given });
  return problems.length === 0 ? settings.IT : problems[0]?.message;
}

describe('a value', () => {
  const cases: readonly (readonly [what: string, option: Option<unknown>, given: string | undefined, expected: unknown])[] = [
    ['a text', text(about), 'a b', 'a b'],
    ['a text that is missing', text(about), undefined, 'is missing (what it is)'],
    ['a text that is empty', text(about), '', 'is missing (what it is)'],
    ['a text by default', text({ ...about, default: 'x' }), undefined, 'x'],
    ['an empty text, where there is a default', text({ ...about, default: 'x' }), '', 'x'],
    ['an optional text', optionalText(about), undefined, undefined],
    ['a number', integer(about), '42', 42],
    ['zero, where it is allowed', integer({ ...about, default: 5 }), '0', 0],
    ['a number by default', integer({ ...about, default: 5 }), undefined, 5],
    ['a number that is missing', integer(about), undefined, 'is missing (what it is)'],
    ['a number below its range', integer({ ...about, min: 1 }), '0', 'is "0": expected a whole number of at least 1 (what it is)'],
    ['a number above its range', integer({ ...about, min: 1, max: 9 }), '10', 'is "10": expected a whole number from 1 to 9 (what it is)'],
    ['a number with a sign', integer(about), '-1', 'is "-1": expected a whole number of at least 0 (what it is)'],
    ['a number with a fraction', integer(about), '1.5', 'is "1.5": expected a whole number of at least 0 (what it is)'],
    ['a number with a unit', integer(about), '10k', 'is "10k": expected a whole number of at least 0 (what it is)'],
    ['a number beyond 2^53', integer(about), '9007199254740993', 'is "9007199254740993": expected a whole number of at least 0 (what it is)'],
    ['an optional number', optionalInteger({ ...about, min: 1, max: 9 }), undefined, undefined],
    ['an optional number that is wrong', optionalInteger({ ...about, min: 1, max: 9 }), 'x', 'is "x": expected a whole number from 1 to 9 (what it is)'],
    ['a flag: true', flag({ ...about, default: false }), 'true', true],
    ['a flag: yes', flag({ ...about, default: false }), 'yes', true],
    ['a flag: 0', flag({ ...about, default: true }), '0', false],
    ['a flag by default', flag({ ...about, default: true }), undefined, true],
    ['a flag that is none', flag({ ...about, default: true }), 'maybe', 'is "maybe": expected true or false (what it is)'],
    ['one of several', oneOf(['a', 'b'], about), 'b', 'b'],
    ['one of several by default', oneOf(['a', 'b'], { ...about, default: 'a' }), undefined, 'a'],
    ['none of several', oneOf(['a', 'b'], about), 'c', 'is "c": expected one of: a, b (what it is)'],
    ['a list', list(about), ' a, b ,,c ', ['a', 'b', 'c']],
    ['a list by default', list({ ...about, default: ['x'] }), undefined, ['x']],
    ['a list of nothing', list(about), ' , ', 'is " , ": expected a comma-separated list (what it is)'],
    ['a rule of its own', checked(text(about), (value) => value === 'x', 'expected x'), 'y', 'is "y": expected x (what it is)'],
    [
      'an address, without its login',
      checked(text(about), () => false, 'expected another'),
      'http://u:geheim@h/',
      'is "http://…@h/": expected another (what it is)',
    ],
  ];
  for (const [what, option, given, expected] of cases) {
    test(`${what}: ${JSON.stringify(given)}`, () => {
      expect(read(option, given)).toEqual(expected);
    });
  }
});

describe('a secret', () => {
  test('is revealed only when asked', () => {
    const value = read(secret(about), 'geheim') as Secret;
    expect(value.reveal()).toBe('geheim');
    expect([String(value), JSON.stringify({ value }), `${value}`]).toEqual(['[secret]', '{"value":"[secret]"}', '[secret]']);
  });

  test('stays out of messages, also when it is wrong', () => {
    const wrong = checked<unknown>(secret(about), () => false, 'expected another');
    expect(read(wrong, 'geheim')).toBe('expected another (what it is)');
  });

  test('may be missing where it is optional', () => {
    expect(read(optionalSecret(about), undefined)).toBeUndefined();
    expect((read(optionalSecret(about), 'x') as Secret).reveal()).toBe('x');
  });
});

test('all problems come at once, each with its name', () => {
  const { problems } = readOptions({ A: text(about), B: integer({ ...about, default: 1 }), C: flag({ ...about, default: true }) }, { B: 'x', C: 'x' });
  expect(problems.map(({ name }) => name)).toEqual(['A', 'B', 'C']);
});

test('settings cannot be changed afterwards', () => {
  const { settings } = readOptions({ A: text(about) }, { A: 'x' });
  expect(() => Object.assign(settings, { A: 'y' })).toThrow(TypeError);
});

describe('unknown settings', () => {
  const known = ['SOURCE_NAME', 'SNAPSHOT_CHUNK_SIZE', 'KAFKA_BROKERS', 'HTTP_PORT'];
  const found = (...names: string[]) => findUnknown(Object.fromEntries(names.map((name) => [name, 'x'])), known);

  test('with one of our prefixes are told, with what was probably meant', () => {
    expect(found('KAFKA_BROKER', 'SNAPSHOT_CHUNKSIZE')).toEqual([
      { name: 'KAFKA_BROKER', message: 'is not a setting of ours; did you mean KAFKA_BROKERS?' },
      { name: 'SNAPSHOT_CHUNKSIZE', message: 'is not a setting of ours; did you mean SNAPSHOT_CHUNK_SIZE?' },
    ]);
  });

  test('that are like nothing we know get no suggestion', () => {
    expect(found('SINK_COLOUR')).toEqual([{ name: 'SINK_COLOUR', message: 'is not a setting of ours' }]);
  });

  test('of others are let be', () => {
    expect(found('PATH', 'HOME', 'LOGNAME', 'HTTP_PROXY', 'KAFKA_HEAP_OPTS', 'KAFKA_OPTS', 'HTTPS_PROXY', 'http_proxy', 'SOURCE_NAME')).toEqual([]);
  });
});

describe('the error of a start', () => {
  const missing = { name: 'A', message: 'is missing (what it is)' };
  const unknown = { name: 'KAFKA_X', message: 'is not a setting of ours' };

  test('lists all problems, a line each', () => {
    expect(() => throwIfProblems([missing, unknown])).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: '2 settings are not right:\n  A is missing (what it is)\n  KAFKA_X is not a setting of ours',
      }),
    );
  });

  test('is CONFIG_UNKNOWN_OPTION where nothing else is wrong', () => {
    expect(() => throwIfProblems([unknown])).toThrow(expect.objectContaining({ code: 'CONFIG_UNKNOWN_OPTION', exitCode: 2 }));
  });

  test('is none without problems', () => {
    expect(() => throwIfProblems([])).not.toThrow();
  });
});
