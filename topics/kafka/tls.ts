import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { CommonSettings } from '../../shared/config/common-options.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';

type TlsSetting = 'KAFKA_SSL_CA' | 'KAFKA_SSL_CERT' | 'KAFKA_SSL_KEY';

/** What the client is given for TLS. Certificates and the names in them are always checked. */
export function tlsOf(settings: CommonSettings): boolean | ConnectionOptions {
  const given = (['KAFKA_SSL_CA', 'KAFKA_SSL_CERT', 'KAFKA_SSL_KEY'] as const).filter((name) => settings[name] !== undefined);
  if (given.length === 0) return settings.KAFKA_SSL;
  if (!settings.KAFKA_SSL) throw new CdcError('CONFIG_INVALID', `${given.join(', ')} set, and KAFKA_SSL is false: set KAFKA_SSL=true, or leave them out.`);
  if ((settings.KAFKA_SSL_CERT === undefined) !== (settings.KAFKA_SSL_KEY === undefined))
    throw new CdcError('CONFIG_INVALID', 'KAFKA_SSL_CERT and KAFKA_SSL_KEY belong together: only one of them is set.');
  const [ca, cert, key] = [
    readPem(settings, 'KAFKA_SSL_CA', (pem) => new X509Certificate(pem)),
    readPem(settings, 'KAFKA_SSL_CERT', (pem) => new X509Certificate(pem)),
    readPem(settings, 'KAFKA_SSL_KEY', createPrivateKey),
  ];
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

/** The file's bytes, once `parse` can make something of them. */
function readPem(settings: CommonSettings, name: TlsSetting, parse: (pem: Buffer) => unknown): Buffer | undefined {
  const path = settings[name];
  if (path === undefined) return undefined;
  try {
    const pem = readFileSync(path);
    parse(pem);
    return pem;
  } catch (error) {
    throw new CdcError(
      'CONFIG_INVALID',
      `${name} is ${JSON.stringify(path)}, which cannot be read as a PEM file with ${name === 'KAFKA_SSL_KEY' ? 'a key' : 'a certificate'}.`,
      {
        cause: error,
      },
    );
  }
}

/** Node's codes of what OpenSSL says of certificates (tls, "X509 certificate error codes"). */
const CERTIFICATE_ERROR =
  /^(ERR_TLS_|ERR_SSL_|UNABLE_TO_|CERT_|CRL_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|ERROR_IN_CERT|EPROTO$)/;

/** Node's code of a failure of TLS, however deep the client wrapped it; undefined for other errors. */
export function tlsErrorCode(error: unknown): string | undefined {
  for (let at = error as TlsError | undefined, depth = 0; at != null && depth < 6; depth++) {
    if (typeof at.code === 'string' && CERTIFICATE_ERROR.test(at.code)) return at.code;
    at = at.originalError ?? at.errors?.[0] ?? at.cause;
  }
  return undefined;
}

interface TlsError {
  readonly code?: unknown;
  readonly cause?: TlsError;
  readonly originalError?: TlsError;
  readonly errors?: readonly TlsError[];
}
