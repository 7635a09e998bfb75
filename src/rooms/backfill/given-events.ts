import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import type { VersionedRoom } from '../receive/auth-judge.ts';
import { Effort } from '../receive/effort.ts';
import type { Fetching } from '../receive/fetching.ts';
import type { VerifiedEvent } from '../receive/verify.ts';
import type { Collection } from './collection.ts';

/** Servers asked for missing auth events. */
const maxServers = 3;
/** A client waits: what has come by then has to do. */
const patience = millis(15_000);

/** Stores events of the past that came from elsewhere without their places, with the auth events that they lack. */
export class GivenEvents {
  readonly #uses: { readonly fetching: Fetching; readonly clock: Clock; readonly log: Log };

  constructor(uses: { readonly fetching: Fetching; readonly clock: Clock; readonly log: Log }) {
    this.#uses = uses;
  }

  /** What cites auth events that nobody gives is left out. */
  async keep(
    room: VersionedRoom,
    events: readonly VerifiedEvent[],
    collection: Collection,
    servers: readonly ServerName[],
  ): Promise<void> {
    const { fetching, clock, log } = this.#uses;
    using effort = new Effort(servers.slice(0, maxServers), clock, undefined, patience);
    const given = (id: EventId) => collection.events.get(id)?.event;
    const waiting = await fetching.withAuthEvents(room, events, effort, given);
    if (waiting.length > 0) log.info('backfill.unusable', { room: room.roomId, waiting });
  }
}
