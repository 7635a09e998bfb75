import { readFileSync } from 'node:fs';
import type { Certificate } from '../../api/http/server.ts';
import { millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';

/** A listener whose certificate lies in files. */
export interface CertificateUser {
  readonly place: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Throws if the two do not go together. */
  readonly use: (certificate: Certificate) => void;
}

/** Files are small and are read through links, which watching would miss: renewing programs swap links. */
const interval = millis(60_000);

/** Reads a certificate; throws if one of the files cannot be read. */
export function readCertificate(certFile: string, keyFile: string): Certificate {
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}

/** Looks once a minute whether certificates have been renewed, and has their listeners use them for new connections. */
export class Certificates {
  readonly #users: readonly CertificateUser[];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #inUse = new Map<CertificateUser, Certificate>();
  #cancel: Cancel = () => {};

  /** The listeners use at this moment what is in their files. */
  constructor(users: readonly CertificateUser[], { clock, log }: { clock: Clock; log: Log }) {
    this.#users = users;
    this.#clock = clock;
    this.#log = log;
    for (const user of users) this.#inUse.set(user, readCertificate(user.certFile, user.keyFile));
    this.#wait();
  }

  /** Looks now. A certificate that cannot be used is told of, and the one in use stays. */
  check(): void {
    for (const user of this.#users) this.#checkOne(user);
  }

  close(): void {
    this.#cancel();
  }

  #checkOne(user: CertificateUser): void {
    const { place, certFile, keyFile } = user;
    try {
      const found = readCertificate(certFile, keyFile);
      const used = this.#inUse.get(user);
      if (found.cert === used?.cert && found.key === used.key) return;
      user.use(found);
      this.#inUse.set(user, found);
      this.#log.info('tls.certificate_renewed', { place, certFile });
    } catch (error) {
      // Half of a pair may have been renewed just now: the next look finds the other half.
      this.#log.warn('tls.certificate_not_usable', { place, certFile, cause: error });
    }
  }

  #wait(): void {
    if (this.#users.length === 0) return;
    this.#cancel = this.#clock.after(interval, () => {
      this.check();
      this.#wait();
    });
  }
}
