import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** A certificate and its key, as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateWish {
  readonly subject: string;
  /** Host names and IPv4 addresses. */
  readonly hosts?: readonly string[];
  /** Days from today on which it begins and ends. */
  readonly days?: readonly [from: number, to: number];
}

const DAY_MS = 86_400_000;
const OID = {
  ecdsaWithSha256: [1, 2, 840, 10045, 4, 3, 2],
  commonName: [2, 5, 4, 3],
  basicConstraints: [2, 5, 29, 19],
  subjectAltName: [2, 5, 29, 17],
} as const;

/** An authority for tests that signs certificates, in memory: nothing has to be installed for it (RFC 5280). */
export class Authority {
  readonly cert: string;
  readonly #name: string;
  readonly #key: KeyObject;

  constructor(name: string) {
    this.#name = name;
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = privateKey;
    this.cert = this.#sign(publicKey, { subject: name }, true);
  }

  issue(wish: CertificateWish): Certificate {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return { cert: this.#sign(publicKey, wish, false), key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) };
  }

  #sign(publicKey: KeyObject, { subject, hosts = [], days: [from, to] = [-1, 365] }: CertificateWish, isAuthority: boolean): string {
    const algorithm = sequence(oid(OID.ecdsaWithSha256));
    const extensions = [
      sequence(oid(OID.basicConstraints), der(0x01, Buffer.of(0xff)), der(0x04, sequence(...(isAuthority ? [der(0x01, Buffer.of(0xff))] : [])))),
      ...(hosts.length === 0 ? [] : [sequence(oid(OID.subjectAltName), der(0x04, sequence(...hosts.map(hostName))))]),
    ];
    const body = sequence(
      der(0xa0, der(0x02, Buffer.of(2))),
      der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
      algorithm,
      distinguishedName(this.#name),
      sequence(time(from), time(to)),
      distinguishedName(subject),
      publicKey.export({ type: 'spki', format: 'der' }),
      der(0xa3, sequence(...extensions)),
    );
    const signature = der(0x03, Buffer.concat([Buffer.of(0), sign('sha256', body, this.#key)]));
    const text = sequence(body, algorithm, signature).toString('base64');
    return ['-----BEGIN CERTIFICATE-----', ...(text.match(/.{1,64}/g) ?? []), '-----END CERTIFICATE-----', ''].join('\n');
  }
}

function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function sequence(...contents: readonly Buffer[]): Buffer {
  return der(0x30, ...contents);
}

function oid([first, second, ...rest]: readonly number[]): Buffer {
  return der(0x06, Buffer.of((first ?? 0) * 40 + (second ?? 0), ...rest.flatMap(base128)));
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80);
  return bytes;
}

function distinguishedName(name: string): Buffer {
  return sequence(der(0x31, sequence(oid(OID.commonName), der(0x0c, Buffer.from(name)))));
}

function hostName(host: string): Buffer {
  return isIPv4(host) ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host, 'latin1'));
}

function time(days: number): Buffer {
  const text = new Date(Date.now() + days * DAY_MS).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${text}Z`));
}
