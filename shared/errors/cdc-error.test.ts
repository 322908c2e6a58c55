import { constants } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import type { Finding } from '../connector/finding.ts';
import { CdcError, isCdcError, toCdcError } from './cdc-error.ts';
import { CODES, EXIT } from './codes.ts';
import { throwIfErrors } from './throw-if-errors.ts';

describe('a coded error', () => {
  test('has the remedy, the action and the exit code of its code', () => {
    const error = new CdcError('AUTH_FAILED', 'The server refused the user.');
    expect(error).toMatchObject({
      name: 'CdcError',
      code: 'AUTH_FAILED',
      action: 'stop',
      exitCode: EXIT.prerequisite,
      remedy: CODES.AUTH_FAILED.remedy,
      context: {},
    });
    expect(error).toBeInstanceOf(Error);
  });

  test('may have a better remedy of its own', () => {
    expect(new CdcError('AUTH_FAILED', 'x', { remedy: 'Do this.' }).remedy).toBe('Do this.');
  });

  test('keeps its cause, and does not paste it into its message', () => {
    const cause = new Error('password geheim');
    const error = new CdcError('TIMEOUT', 'The server did not answer.', { cause });
    expect([error.cause, error.message]).toEqual([cause, 'The server did not answer.']);
    expect('cause' in new CdcError('TIMEOUT', 'x')).toBe(false);
  });

  test('is told apart by its codes', () => {
    const error = new CdcError('TIMEOUT', 'x');
    expect([isCdcError(error), isCdcError(error, 'FENCED', 'TIMEOUT'), isCdcError(error, 'FENCED'), isCdcError(new Error('x'))]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe('any thrown thing becomes a coded error', () => {
  test('that is itself where it is one already', () => {
    const error = new CdcError('TIMEOUT', 'x');
    expect(toCdcError(error)).toBe(error);
  });

  test('that is a bug of ours where nobody expected it', () => {
    for (const thrown of [new TypeError('x is not a function'), 'a text', undefined, null]) {
      const error = toCdcError(thrown);
      expect([error.code, error.exitCode, error.cause]).toEqual(['INVARIANT_BROKEN', EXIT.bug, thrown]);
    }
  });
});

describe('a text that the engine refuses to make for its length', () => {
  test('is a value out of range, and no bug', () => {
    const bytes = Buffer.allocUnsafeSlow(constants.MAX_STRING_LENGTH + 1);
    expect(thrownBy(() => bytes.latin1Slice())).toMatchObject({
      code: 'VALUE_OUT_OF_RANGE',
      action: 'setAside',
      message: expect.stringMatching(/longer than the \d+ MiB/) as string,
    });
  });

  /** As ours. */
  function thrownBy(action: () => unknown): CdcError | undefined {
    try {
      action();
      return undefined;
    } catch (error) {
      return toCdcError(error);
    }
  }
});

describe('the table of codes', () => {
  test('says of each what it means and what to do', () => {
    for (const [code, { meaning, remedy }] of Object.entries(CODES)) {
      expect(meaning, code).toMatch(/^\S.*[.]$/);
      expect(remedy, code).toMatch(/^\S.*[.;]$/);
    }
  });

  test('tries again only what ends with code 1 after all', () => {
    for (const [code, { action, exitCode }] of Object.entries(CODES)) if (action === 'retry') expect(exitCode, code).toBe(EXIT.failed);
  });

  test('has the exit codes of the contract', () => {
    expect(EXIT).toEqual({ stopped: 0, failed: 1, configuration: 2, prerequisite: 3, historyLost: 4, bug: 70 });
    expect([CODES.CONFIG_INVALID, CODES.AUTH_FAILED, CODES.POSITION_LOST, CODES.INVARIANT_BROKEN, CODES.FENCED].map(({ exitCode }) => exitCode)).toEqual([
      2, 3, 4, 70, 1,
    ]);
  });
});

describe('findings', () => {
  const finding = (severity: Finding['severity'], message: string): Finding => ({
    severity,
    code: severity === 'error' ? 'SETUP_WAL_LEVEL' : 'REPLICA_IDENTITY',
    message,
    remedy: `Mend ${message}`,
  });

  test('that only warn do not stop a start', () => {
    expect(() => throwIfErrors([finding('warning', 'a')])).not.toThrow();
  });

  test('one error is thrown as it is', () => {
    expect(() => throwIfErrors([finding('warning', 'a'), finding('error', 'b')])).toThrow(
      expect.objectContaining({ code: 'SETUP_WAL_LEVEL', message: 'b', remedy: 'Mend b' }),
    );
  });

  test('several are thrown as one, each with its remedy', () => {
    expect(() => throwIfErrors([finding('error', 'a.'), finding('error', 'b.')])).toThrow('2 prerequisites are missing:\n- a. Mend a.\n- b. Mend b.');
  });
});
