import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, getCACertificates } from 'node:tls';

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
const NAMES = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslpassword'] as const;
/** Parameters of the driver that say the same in other words: with them beside ours nobody knows which holds. */
const OTHERS = ['ssl', 'uselibpqcompat', 'sslnegotiation'] as const;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

export type TlsMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

export interface TlsParameters {
  readonly mode: TlsMode;
  /** PEM; without them those that come with the runtime are trusted. */
  readonly ca?: readonly string[] | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly passphrase?: string | undefined;
}

/** Takes the parameters of TLS out of a URL and reads the files that they name; `fallback` holds where there is no `sslmode`. */
export function readTlsParameters(url: URL, fallback: TlsMode): { readonly parameters: TlsParameters; readonly problems: readonly string[] } {
  const problems: string[] = [];
  for (const name of OTHERS) if (take(url, name) !== undefined) problems.push(`has ${name}, which is not understood: use sslmode=${MODES.join('|')}`);
  const [mode, rootCert, certPath, keyPath, passphrase] = NAMES.map((name) => take(url, name));
  const parameters = {
    mode: modeOf(mode, fallback, problems),
    ca: readAuthorities(rootCert, problems),
    cert: readParameter('sslcert', certPath, problems),
    key: readParameter('sslkey', keyPath, problems),
    passphrase,
  };
  checkPair(parameters, problems);
  return { parameters, problems };
}

function take(url: URL, name: string): string | undefined {
  const value = url.searchParams.get(name);
  if (value === null) return undefined;
  url.searchParams.delete(name);
  return value;
}

function modeOf(given: string | undefined, fallback: TlsMode, problems: string[]): TlsMode {
  const mode = MODES.find((known) => known === given);
  if (given !== undefined && mode === undefined) problems.push(`has sslmode=${given}: expected one of: ${MODES.join(', ')}`);
  // `allow` begins without TLS and goes over to it; what both end with is the same.
  return mode === 'allow' ? 'prefer' : (mode ?? fallback);
}

function readAuthorities(path: string | undefined, problems: string[]): readonly string[] | undefined {
  if (path === 'system') return getCACertificates('system');
  const text = readParameter('sslrootcert', path, problems);
  if (text === undefined) return undefined;
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0 || !certificates.every(isCertificate)) problems.push(`has sslrootcert=${path}, which holds no certificate in PEM form`);
  return certificates;
}

function readParameter(name: string, path: string | undefined, problems: string[]): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    problems.push(`has ${name}=${path}, which cannot be read (${String((error as { code?: unknown }).code)})`);
    return undefined;
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== '';
  } catch {
    return false;
  }
}

function checkPair({ cert, key, passphrase }: TlsParameters, problems: string[]): void {
  if (problems.length > 0) return;
  if ((cert === undefined) !== (key === undefined)) problems.push(`has ${cert === undefined ? 'sslkey' : 'sslcert'} alone: a client certificate needs both`);
  if (cert === undefined || key === undefined) return;
  try {
    createSecureContext({ cert, key, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    problems.push(`has an sslcert and an sslkey that cannot be used together (${String((error as { code?: unknown }).code)})`);
  }
}
