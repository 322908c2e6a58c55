import { COMMON_OPTIONS } from '../../shared/config/common-options.ts';
import { readOptions, throwIfProblems } from '../../shared/config/options.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';

/** The token that running processes ask for, from HTTP_TOKEN or its file. */
export function readToken(): string | undefined {
  const { settings, problems } = readOptions({ HTTP_TOKEN: COMMON_OPTIONS.HTTP_TOKEN }, process.env);
  throwIfProblems(problems);
  return settings.HTTP_TOKEN?.reveal();
}

const WHICH = 'Which process? Give the address of one that has HTTP_PORT set, or --sink <name> where the command has it.';

/** The addresses that were given, or the one of the environment. */
export function namedAddresses(addresses: readonly string[], which = WHICH): readonly string[] {
  if (addresses.length > 0) return addresses;
  const port = process.env['HTTP_PORT'] ?? '';
  if (port !== '' && port !== '0') return [`${process.env['HTTP_HOST'] ?? '127.0.0.1'}:${port}`];
  throw new CdcError('CONFIG_INVALID', which);
}
