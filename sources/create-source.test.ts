import { expect, test } from 'vitest';
import { allSourceOptionNames, findSource, sourceTypeProblem } from './create-source.ts';

test.each(['postgres', 'postgresql', 'PostgreSQL'])('%s is a source', (type) => {
  expect(findSource(type)?.connectorName).toBe('postgresql');
});

test.each(['', 'mongodb', 'constructor', '__proto__', undefined])('%j is none, and what would be right is said', (type) => {
  expect(findSource(type)).toBeUndefined();
  expect(sourceTypeProblem(type)).toMatchObject({ name: 'SOURCE_TYPE', message: expect.stringContaining('expected one of: postgres, postgresql') as string });
});

test('settings of a connector are known to all, so that none is taken for a typing mistake', () => {
  expect(allSourceOptionNames()).toContain('SOURCE_SLOT_NAME');
});
