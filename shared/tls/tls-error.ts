import { CdcError } from '../errors/cdc-error.ts';

/** Node's codes of a certificate that leads to no authority that is known (Node.js manual, "X509 certificate error codes"). */
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);
const WRONG_NAME = new Set(['ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH']);
const OUT_OF_DATE = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
const OTHER = /^(ERR_(SSL|OSSL|TLS)_|CERT_)|^EPROTO$/;

/** A failed handshake as a coded error that names the parameter of the URL to look at; undefined for any other error. */
export function toTlsError(error: unknown, setting: string): CdcError | undefined {
  if (error instanceof CdcError) return undefined;
  const code = String((error as { code?: unknown } | null | undefined)?.code ?? '');
  const told = tell(code, setting);
  if (told === undefined) return undefined;
  return new CdcError('TLS_FAILED', told.message, { remedy: told.remedy, context: { tls: code }, cause: error });
}

function tell(code: string, setting: string): { readonly message: string; readonly remedy: string } | undefined {
  if (UNTRUSTED.has(code)) {
    return {
      message: `The certificate of the server of ${setting} is signed by nobody who is trusted here (${code}).`,
      remedy: `Add sslrootcert=<file with the certificate of its authority> to ${setting} (sslrootcert=system for those of this machine); sslmode=require encrypts without knowing to whom.`,
    };
  }
  if (WRONG_NAME.has(code)) {
    return {
      message: `The certificate of the server of ${setting} is for another host than the URL names.`,
      remedy: `Put the host name that the certificate has into ${setting}; or add sslmode=verify-ca, which leaves the name out.`,
    };
  }
  if (OUT_OF_DATE.has(code)) {
    return { message: `The certificate of the server of ${setting} is not valid today (${code}).`, remedy: 'Renew it in the server, or put the clock right.' };
  }
  if (!OTHER.test(code)) return undefined;
  return {
    message: `The server of ${setting} and we did not agree on TLS (${code}).`,
    remedy: `Check sslcert and sslkey in ${setting}: the server may not know who signed the client's certificate; and the server's ssl_min_protocol_version.`,
  };
}
