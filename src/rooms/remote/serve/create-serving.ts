import type { Federation } from '../../../federation/create-federation.ts';
import type { EventSigner } from '../../../protocol/events/build.ts';
import type { Database } from '../../../store/db.ts';
import type { UserNid } from '../../../store/nids.ts';
import type { Stores } from '../../../store/stores.ts';
import type { Streams } from '../../../streams/streams.ts';
import type { Clock } from '../../../util/clock.ts';
import type { Log } from '../../../util/log.ts';
import type { Random } from '../../../util/random.ts';
import type { EventObserver } from '../../input/observer.ts';
import { verifiedSignatures } from '../../input/signatures.ts';
import type { LocalPeople } from '../../membership/member-rules.ts';
import type { Receiving } from '../../receive/create-receiving.ts';
import type { Rooms } from '../../rooms.ts';
import { LocalEvents } from '../../send/local-events.ts';
import { ServerVisibility } from '../server-visibility.ts';
import { StateAnswers } from '../state-answers.ts';
import { AskedRooms } from './asked-rooms.ts';
import { Handshakes } from './handshakes.ts';
import { HistoryAnswers } from './history-answers.ts';
import { IncomingInvites } from './incoming-invites.ts';
import { Templates } from './templates.ts';
import { ThirdPartyInvites } from './third-party-invites.ts';

/** What other servers ask of us about rooms. */
export interface Serving {
  readonly asked: AskedRooms;
  readonly templates: Templates;
  readonly handshakes: Handshakes;
  readonly invites: IncomingInvites;
  readonly thirdPartyInvites: ThirdPartyInvites;
  readonly history: HistoryAnswers;
  readonly stateAnswers: StateAnswers;
}

export interface ServingUses {
  readonly db: Database;
  readonly stores: Stores;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: EventSigner;
  readonly people: LocalPeople;
  readonly federation: Federation;
  readonly log: Log;
  readonly rooms: Rooms;
  readonly receiving: Receiving;
  /** Told of an invite to a room that is not known here. */
  readonly inviteObservers: readonly Pick<EventObserver, 'onEvent'>[];
}

/** Builds it bottom-up. */
export function createServing(uses: ServingUses): Serving {
  const { stores, rooms, signer, people, inviteObservers } = uses;
  const { authEvents, stateEngine, ends, input, moments, serverAccess: access, known, wholeRooms } = rooms;
  const { serverName } = signer;
  const base = {
    ...uses,
    ...stores,
    authEvents,
    stateEngine,
    ends,
    input,
    moments,
    access,
    wholeRooms,
    serverName,
    rooms: known,
  };
  const asked = new AskedRooms(base);
  const { verifier, receiver } = uses.receiving;
  const localEvents = new LocalEvents(base);
  const stateAnswers = new StateAnswers(base);
  const visibility = new ServerVisibility({ ...base, isErased: (user: UserNid) => people.isErased(user) });
  return {
    asked,
    templates: new Templates({ ...base, localEvents, signatures: verifiedSignatures, asked }),
    handshakes: new Handshakes({ ...base, asked, verifier, receiver, stateAnswers }),
    invites: new IncomingInvites({ ...base, asked, verifier, inviteObservers }),
    thirdPartyInvites: new ThirdPartyInvites({ ...base, asked, redeeming: rooms.redeeming }),
    history: new HistoryAnswers({ ...base, asked, visibility, stateAnswers }),
    stateAnswers,
  };
}
