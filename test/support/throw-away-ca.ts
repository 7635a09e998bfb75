import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

export interface IssuedCertificate {
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A certificate authority that lives as long as this object, for servers on loopback. */
export class ThrowAwayCa {
  /** The authority's own certificate, PEM: what the others have to trust. */
  readonly cert: string;
  readonly #keys: webcrypto.CryptoKeyPair;
  #serial = 1;

  private constructor(cert: string, keys: webcrypto.CryptoKeyPair) {
    this.cert = cert;
    this.#keys = keys;
  }

  static async create(): Promise<ThrowAwayCa> {
    const x509 = await library();
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const cert = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: '01',
      name: 'CN=Throw-away CA',
      ...validity(),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 1, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    return new ThrowAwayCa(cert.toString('pem'), keys);
  }

  /** A certificate for these host names and addresses. */
  async issue(...names: readonly string[]): Promise<IssuedCertificate> {
    const x509 = await library();
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const cert = await x509.X509CertificateGenerator.create({
      serialNumber: (++this.#serial).toString(16).padStart(2, '0'),
      subject: `CN=${names[0]}`,
      issuer: 'CN=Throw-away CA',
      ...validity(),
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      extensions: [
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
        ),
      ],
    });
    const secret = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
    const key = `-----BEGIN PRIVATE KEY-----\n${secret.replaceAll(/(.{64})/g, '$1\n')}\n-----END PRIVATE KEY-----\n`;
    return { cert: cert.toString('pem'), key };
  }
}

/** Loaded only by those who need it; it wants another library loaded first. */
async function library() {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

function validity() {
  const day = 24 * 3600 * 1000;
  return { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 365 * day) };
}
