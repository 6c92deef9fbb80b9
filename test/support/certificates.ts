/** Certificates for tests, made anew: an authority, and what it signs, as PEM files in a folder of their own. */
import type { webcrypto } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

/** In the distinguished name and the alternative names of a certificate. */
export interface CertificateNames {
  readonly commonName?: string;
  readonly dns?: readonly string[];
  readonly ips?: readonly string[];
  readonly uris?: readonly string[];
}

export interface CertificateOptions extends CertificateNames {
  /** From now on; negative: it was valid until so long ago. A day by default. */
  readonly validMs?: number;
}

/** Paths of PEM files, and what is in them. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
  readonly certPem: string;
  readonly keyPem: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

/** What a server on this machine is called. */
export const LOCAL_NAMES: CertificateNames = { commonName: 'localhost', dns: ['localhost'], ips: ['127.0.0.1', '::1'] };

export class CertificateAuthority {
  /** Path of its own certificate. */
  readonly path: string;
  readonly pem: string;
  readonly folder: string;
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #certificate: x509.X509Certificate;
  #made = 0;

  private constructor(folder: string, keys: webcrypto.CryptoKeyPair, certificate: x509.X509Certificate) {
    this.folder = folder;
    this.path = join(folder, 'ca.pem');
    this.pem = pemOf(certificate);
    this.#keys = keys;
    this.#certificate = certificate;
  }

  static async create(name = 'test authority'): Promise<CertificateAuthority> {
    const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: ALGORITHM,
      serialNumber: serialNumber(),
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + DAY_MS),
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    });
    const authority = new CertificateAuthority(
      await mkdtemp(join(tmpdir(), 'pulselane-certificates-')),
      keys,
      certificate,
    );
    await writeFile(authority.path, authority.pem);
    return authority;
  }

  /** Signs a certificate for a new key. */
  async issue({ commonName, dns = [], ips = [], uris = [], validMs = DAY_MS }: CertificateOptions): Promise<KeyPair> {
    const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const names: x509.JsonGeneralNames = [
      ...dns.map((value) => ({ type: 'dns', value }) as const),
      ...ips.map((value) => ({ type: 'ip', value }) as const),
      ...uris.map((value) => ({ type: 'url', value }) as const),
    ];
    const notAfter = new Date(Date.now() + validMs);
    const certificate = await x509.X509CertificateGenerator.create({
      subject: commonName === undefined ? 'O=test' : [{ CN: [commonName] }],
      issuer: this.#certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      serialNumber: serialNumber(),
      notBefore: new Date(notAfter.getTime() - 2 * DAY_MS),
      notAfter,
      extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)],
    });
    const name = `${++this.#made}`;
    const pair = {
      cert: join(this.folder, `${name}.pem`),
      key: join(this.folder, `${name}.key`),
      certPem: pemOf(certificate),
      keyPem: pemOfKey(await crypto.subtle.exportKey('pkcs8', keys.privateKey)),
    };
    await writeFile(pair.cert, pair.certPem);
    await writeFile(pair.key, pair.keyPem);
    return pair;
  }

  /** For a server on this machine. */
  server(options: Omit<CertificateOptions, keyof CertificateNames> = {}): Promise<KeyPair> {
    return this.issue({ ...LOCAL_NAMES, ...options });
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

function pemOf(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

function pemOfKey(pkcs8: ArrayBuffer): string {
  const lines =
    Buffer.from(pkcs8)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

function serialNumber(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(8)))
    .toString('hex')
    .replace(/^./, '1');
}
