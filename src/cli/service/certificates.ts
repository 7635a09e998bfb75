import { readFileSync } from 'node:fs';
import type { ListenerCertificates } from '../../api/http/server.ts';
import { millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** A listener whose certificates lie in files. */
export interface CertificateUser {
  readonly place: string;
  readonly files: readonly [CertificateFiles, ...CertificateFiles[]];
  /** Throws if a key does not go with its certificate. */
  readonly use: (certificates: ListenerCertificates) => void;
}

/** Files are small and are read through links, which watching would miss: renewing programs swap links. */
const interval = millis(60_000);

/** Reads certificates; throws if one of the files cannot be read. */
export function readCertificates(files: CertificateUser['files']): ListenerCertificates {
  const [first, ...others] = files;
  return [readPair(first), ...others.map(readPair)];
}

function readPair({ cert, key }: CertificateFiles) {
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

/** Looks once a minute whether certificates have been renewed, and has their listeners use them for new connections. */
export class Certificates {
  readonly #users: readonly CertificateUser[];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #inUse = new Map<CertificateUser, ListenerCertificates>();
  #cancel: Cancel = () => {};

  /** The listeners use at this moment what is in their files. */
  constructor(users: readonly CertificateUser[], { clock, log }: { clock: Clock; log: Log }) {
    this.#users = users;
    this.#clock = clock;
    this.#log = log;
    for (const user of users) this.#inUse.set(user, readCertificates(user.files));
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
    const { place, files } = user;
    try {
      const found = readCertificates(files);
      const used = this.#inUse.get(user);
      const renewed = files.filter((_, i) => found[i]?.cert !== used?.[i]?.cert || found[i]?.key !== used?.[i]?.key);
      if (renewed.length === 0) return;
      user.use(found);
      this.#inUse.set(user, found);
      this.#log.info('tls.certificate_renewed', { place, certFiles: renewed.map(({ cert }) => cert) });
    } catch (error) {
      // Half of a pair may have been renewed just now: the next look finds the other half.
      this.#log.warn('tls.certificate_not_usable', {
        place,
        certFiles: files.map(({ cert }) => cert),
        cause: error,
      });
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
