import type { Federation } from '../../federation/create-federation.ts';
import type { Gates } from '../../governor/gates.ts';
import type { EventSigner } from '../../protocol/events/build.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { SpoolFolder } from '../../store/spool/spool-folder.ts';
import type { Stores } from '../../store/stores.ts';
import type { Streams } from '../../streams/streams.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import type { Random } from '../../util/random.ts';
import type { WorkerPool } from '../../workers/worker-pool.ts';
import type { AuthEvents } from '../input/auth-events.ts';
import type { RoomInput } from '../input/input.ts';
import type { KnownRooms } from '../known-rooms.ts';
import type { RoomLimits } from '../limits/room-limits.ts';
import type { MemberRules } from '../membership/member-rules.ts';
import { Filling } from '../partial/filling.ts';
import type { PartialState } from '../partial/partial-state.ts';
import { RoomCompletion, type RoomReceiver } from '../partial/room-completion.ts';
import { StateFilling } from '../partial/state-filling.ts';
import type { RoomPurges } from '../purge/room-purge.ts';
import type { AuthJudge } from '../receive/auth-judge.ts';
import type { Outliers } from '../receive/outliers.ts';
import { EventVerifier } from '../receive/verify.ts';
import type { LocalInput } from '../send/local-input.ts';
import type { PolicyCheck } from '../send/policy-check.ts';
import type { StateEngine } from '../state/state-engine.ts';
import { AnswerSpools } from './answer-spool.ts';
import { Candidates } from './candidates.ts';
import { Doorstep } from './doorstep.ts';
import { Handshakes } from './handshakes.ts';
import { Inviting } from './inviting.ts';
import { type EventReceiver, Joining } from './joining.ts';
import { RemoteRooms } from './remote-rooms.ts';
import { RoomEntry } from './room-entry.ts';
import { StateTakeover } from './state-takeover.ts';

export interface RemoteUses extends Stores {
  readonly db: Database;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signer: EventSigner;
  readonly serverName: ServerName;
  readonly federation: Pick<Federation, 'client' | 'keyRing' | 'policy'>;
  readonly spools: SpoolFolder;
  readonly workers: WorkerPool;
  readonly authEvents: AuthEvents;
  readonly rooms: KnownRooms;
  readonly input: RoomInput;
  readonly localInput: LocalInput;
  readonly memberRules: MemberRules;
  readonly authJudge: AuthJudge;
  readonly stateEngine: StateEngine;
  readonly partialState: PartialState;
  readonly outliers: Outliers;
  readonly policy: PolicyCheck;
  readonly limits: RoomLimits;
  readonly purges: RoomPurges;
  readonly gates?: Gates;
  /** Built on rooms, and so after them. */
  readonly receiver: () => EventReceiver & RoomReceiver;
}

export interface Remote {
  /** What our users do about rooms through other servers. */
  readonly remote: RemoteRooms;
  /** Invites users of other servers. */
  readonly inviting: Inviting;
  readonly takeover: StateTakeover;
  /** Gets the members of rooms that were entered without them. */
  readonly filling: Filling;
  /** Who may help into a room. */
  readonly candidates: Candidates;
}

/** Builds what lets our users act on rooms through other servers. */
export function createRemote(given: RemoteUses): Remote {
  const { federation, receiver, authJudge: judge } = given;
  const { client, keyRing: keys, policy } = federation;
  const log = given.log.child('rooms');
  const base = { ...given, log, client, keys, judge, verifier: new EventVerifier(keys) };
  const handshakes = new Handshakes(base);
  const takeover = new StateTakeover(base);
  const answerSpools = new AnswerSpools(given);
  const mayTalkTo = (server: ServerName) => policy.mayTalkTo(server);
  const stateFilling = new StateFilling({ ...base, takeover, answerSpools });
  const completion = new RoomCompletion(base);
  const filling = new Filling({ ...base, stateFilling, completion, mayTalkTo });
  const joining = new Joining({
    ...base,
    filler: filling,
    handshakes,
    entry: new RoomEntry({ ...base, takeover, answerSpools }),
    receiver,
  });
  const candidates = new Candidates({ ...base, mayTalkTo });
  const doorstep = new Doorstep({ ...base, handshakes });
  return {
    remote: new RemoteRooms({ ...base, candidates, joining, doorstep }),
    inviting: new Inviting(base),
    takeover,
    filling,
    candidates,
  };
}
