import { expect, test } from 'vitest';
import { CdcError } from '../errors/cdc-error.ts';
import { describeError } from './log.ts';

test('a coded error is logged with its code, its remedy, its context and the words of its cause', () => {
  const error = new CdcError('TIMEOUT', 'No answer.', { remedy: 'Wait.', context: { topic: 't' }, cause: new Error('ETIMEDOUT') });
  expect(describeError(error)).toEqual({ code: 'TIMEOUT', message: 'No answer.', remedy: 'Wait.', topic: 't', cause: 'ETIMEDOUT' });
});

test('other errors are logged with their place in the code, other things as text', () => {
  expect(describeError(new Error('boom'))).toEqual({ message: 'boom', stack: expect.stringContaining('log.test.ts') });
  expect(describeError('boom')).toEqual({ message: 'boom' });
});
