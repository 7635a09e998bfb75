import type { Gates } from '../../governor/gates.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { Stores } from '../../store/stores.ts';
import type { Streams } from '../../streams/streams.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import type { Rooms } from '../rooms.ts';
import { Completion } from './completion.ts';
import { Deferred } from './deferred.ts';
import { Fetching } from './fetching.ts';
import { Horizon } from './horizon.ts';
import { Judging } from './judging.ts';
import { OutsideRooms } from './outside-rooms.ts';
import { Receiver } from './receiver.ts';
import { RemoteState } from './remote-state.ts';
import { Revisiting } from './revisiting.ts';
import { type RemoteCalls, RoomQuestions } from './room-questions.ts';
import { type EduHandler, Transactions } from './transactions.ts';
import { EventVerifier, type KeySource } from './verify.ts';

export interface ReceivingUses {
  readonly db: Database;
  readonly stores: Stores;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly log: Log;
  readonly serverName: ServerName;
  readonly rooms: Rooms;
  readonly gates?: Gates;
  readonly federation: { readonly client: RemoteCalls; readonly keyRing: KeySource };
  /** By `edu_type`; may grow until the first transaction. */
  readonly eduHandlers: ReadonlyMap<string, EduHandler>;
}

/** What takes the events and EDUs of other servers. */
export interface Receiving {
  readonly verifier: EventVerifier;
  readonly receiver: Receiver;
  readonly transactions: Transactions;
  readonly questions: RoomQuestions;
}

export function createReceiving(uses: ReceivingUses): Receiving {
  const { stores, rooms, federation } = uses;
  const verifier = new EventVerifier(federation.keyRing);
  const questions = new RoomQuestions(federation.client);
  const base = { ...stores, ...uses, log: uses.log.child('federation'), verifier, questions };
  const { authEvents, stateEngine, input, outliers, serverAccess, resolutions } = rooms;
  const fetching = new Fetching({ ...base, outliers });
  const horizon = new Horizon(stores);
  const remoteState = new RemoteState({ ...base, fetching });
  const judging = new Judging({ ...base, authEvents, stateEngine, input, horizon, judge: rooms.authJudge });
  const receiver = new Receiver({
    ...base,
    knownRooms: rooms.known,
    whenEntered: (roomId) => rooms.remote.whenEntered(roomId),
    serverAccess,
    input,
    resolutions,
    policy: rooms.policy,
    judging,
    revisiting: new Revisiting({ ...base, ...rooms, judge: rooms.authJudge, judging }),
    completion: new Completion({ ...base, fetching, remoteState, horizon }),
    deferred: new Deferred(base),
    outsideRooms: new OutsideRooms({ ...base, input }),
  });
  return { verifier, questions, receiver, transactions: new Transactions({ ...base, receiver }) };
}
