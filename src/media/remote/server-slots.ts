import { Slots } from '../../outbound/slots.ts';
import type { ServerName } from '../../protocol/ids/types.ts';

/** Downloads at once: each holds a few pieces of a file in memory. */
const atOnce = 8;
/** Of one server, so that a slow one does not keep all the places. */
const ofOneServer = 4;
/** Requests of our users that wait; a gallery has a few dozen pictures. */
const longestQueue = 200;

/** Lets a bounded number of downloads run, of all servers together and of each; the others wait their turn. */
export class ServerSlots {
  readonly #all = new Slots(atOnce, longestQueue);
  /** Only of servers that somebody downloads from just now. */
  readonly #each = new Map<ServerName, { slots: Slots; users: number }>();

  /** Runs `work` when there is a place; `undefined` if too many wait. */
  async run<T>(server: ServerName, work: () => Promise<T>): Promise<T | undefined> {
    const own = this.#each.get(server) ?? { slots: new Slots(ofOneServer, longestQueue), users: 0 };
    this.#each.set(server, own);
    own.users++;
    try {
      return await within(own.slots, () => within(this.#all, work));
    } finally {
      own.users--;
      if (own.users === 0) this.#each.delete(server);
    }
  }
}

async function within<T>(slots: Slots, work: () => Promise<T>): Promise<T | undefined> {
  if (!(await slots.take())) return undefined;
  try {
    return await work();
  } finally {
    slots.giveBack();
  }
}
