import type { Transport } from '../federation/transport.ts';
import type { Readings } from '../governor/readings.ts';
import type { Dns } from '../outbound/resolve-dns.ts';
import type { SyncCalls } from '../store/durability/wal-sync.ts';
import type { PasswordCost } from '../users/login/password-hash.ts';
import type { Millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import type { Random } from '../util/random.ts';

/** All of the outside world that the server touches by itself; what a test may replace. */
export interface Externals {
  readonly clock: Clock;
  /** Whether the system knows that its clock is right; without it, it does not. */
  readonly isClockSynchronised?: () => boolean;
  /** When the program was built, if not as it says itself. */
  readonly built?: Millis;
  readonly random: Random;
  readonly log: Log;
  /** Looks host names up. */
  readonly dns: Dns;
  /** Carries calls to other servers; a network of its own for tests. */
  readonly transport?: Transport;
  /** A cheaper password hash, for tests that make many accounts. */
  readonly passwordCost?: PasswordCost;
  /** Called when the disk refuses to make changes safe: no answer can be given any more, the process should end. */
  readonly onFatal?: (error: Error) => void;
  /** What the governor looks at; without it everything is always easy. */
  readonly readings?: Readings;
  /** A disk that refuses. */
  readonly syncCalls?: SyncCalls;
}
