import { X509Certificate } from 'node:crypto';
import type { Http2SecureServer, SecureServerOptions } from 'node:http2';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import { nodeHttp2, nodeTls } from '../../util/node-http.ts';

/** Certificate chain and key in PEM form. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * TLS 1.3 as OpenSSL has it; of TLS 1.2 only what has forward secrecy and authenticated encryption, as in the
 * "intermediate" advice of https://wiki.mozilla.org/Security/Server_Side_TLS. The client chooses among them: it knows
 * whether its processor has AES.
 */
const policy = {
  minVersion: 'TLSv1.2',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  honorCipherOrder: false,
} as const satisfies SecureContextOptions;

/** Certificates by the names that they are for. The first one is shown to who asks for a name that none has. */
class CertificateSet {
  readonly #entries: { readonly x509: X509Certificate; readonly context: SecureContext }[];

  /** Throws if a key does not go with its certificate. */
  constructor(certificates: readonly Certificate[]) {
    this.#entries = certificates.map(({ cert, key }) => ({
      x509: new X509Certificate(cert),
      context: nodeTls().createSecureContext({ ...policy, cert, key }),
    }));
  }

  contextFor(name: string): SecureContext | undefined {
    return (this.#entries.find(({ x509 }) => x509.checkHost(name) !== undefined) ?? this.#entries[0])?.context;
  }
}

/** What one listener that speaks TLS has besides its server. */
export interface TlsDoor {
  readonly server: Http2SecureServer;
  /** For new connections. Throws if a key does not go with its certificate; then nothing has changed. */
  use(certificates: readonly [Certificate, ...Certificate[]]): void;
}

/** How many requests one client may have open on one connection. Long polls and pictures of a client: a dozen or two. */
const maxStreams = 100;

/** A server for HTTP/2 and, where a client knows only that, HTTP/1.1. */
export function createTlsServer(
  certificates: readonly [Certificate, ...Certificate[]],
  http1: SecureServerOptions['http1Options'] & object,
): TlsDoor {
  let set = new CertificateSet(certificates);
  const server = nodeHttp2().createSecureServer({
    ...http1,
    ...policy,
    ...certificates[0],
    allowHTTP1: true,
    handshakeTimeout: 20_000,
    settings: { maxConcurrentStreams: maxStreams, maxHeaderListSize: 16 * 1024 },
    SNICallback: (name, done) => done(null, set.contextFor(name)),
  });
  return {
    server,
    use(renewed) {
      const next = new CertificateSet(renewed);
      // For clients that name nobody.
      server.setSecureContext({ ...policy, ...renewed[0] });
      set = next;
    },
  };
}
