import type { FederationClient } from '../../federation/client.ts';
import type { Gates } from '../../governor/gates.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { Stores } from '../../store/stores.ts';
import type { Millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import { Fetching } from '../receive/fetching.ts';
import { Horizon } from '../receive/horizon.ts';
import { RoomQuestions } from '../receive/room-questions.ts';
import type { EventVerifier } from '../receive/verify.ts';
import type { Rooms } from '../rooms.ts';
import { Backfill } from './backfill.ts';
import { DistantEvents } from './distant-events.ts';
import { DistantMoments } from './distant-moments.ts';
import { GivenEvents } from './given-events.ts';
import { HistoricStates } from './historic-states.ts';
import { HistoryServers } from './history-servers.ts';
import { LostEvents } from './lost-events.ts';
import { Placement } from './placement.ts';
import { HistoryReach } from './reach.ts';
import { RemoteHistory } from './remote-history.ts';
import { StateProbe } from './state-probe.ts';
import { WantedHistory } from './wanted-history.ts';

export interface BackfillServices {
  readonly backfill: Backfill;
  readonly historyReach: HistoryReach;
  readonly distantEvents: DistantEvents;
  readonly distantMoments: DistantMoments;
  readonly historyServers: HistoryServers;
}

export interface CreateBackfillUses {
  readonly db: Database;
  readonly stores: Stores;
  readonly clock: Clock;
  readonly log: Log;
  readonly serverName: ServerName;
  readonly rooms: Rooms;
  readonly client: Pick<FederationClient, 'call' | 'stream'>;
  readonly verifier: EventVerifier;
  readonly gates?: Pick<Gates, 'mayBackfill' | 'backfillsAtOnce'>;
  /** How old messages may grow. */
  readonly maxAge?: Millis | undefined;
}

/** History from elsewhere: builds what fetches it, bottom-up. */
export function createBackfill({ rooms, client, ...uses }: CreateBackfillUses): BackfillServices {
  const { stores, clock } = uses;
  const log = uses.log.child('backfill');
  const base = { ...stores, ...uses, ...rooms, rooms: rooms.known, judge: rooms.authJudge, log };
  const remote = new RemoteHistory(client);
  const servers = new HistoryServers(base);
  const fetching = new Fetching({ ...base, questions: new RoomQuestions(client) });
  const givenEvents = new GivenEvents({ ...base, fetching });
  const probe = new StateProbe({ ...base, remote, givenEvents });
  const states = new HistoricStates(base);
  const placement = new Placement({ ...base, states });
  const wanted = new WantedHistory({ ...base, maxAge: uses.maxAge, horizon: new Horizon(stores) });
  const parts = { ...base, remote, servers, givenEvents, probe, wanted };
  const backfill = new Backfill({ ...parts, states, placement, lost: new LostEvents(clock) });
  const distantEvents = new DistantEvents({ ...parts, backfill, lost: new LostEvents(clock) });
  return {
    historyServers: servers,
    backfill,
    historyReach: new HistoryReach({ ...base, backfill }),
    distantEvents,
    distantMoments: new DistantMoments({ ...parts, momentStore: stores.moments, distantEvents }),
  };
}
