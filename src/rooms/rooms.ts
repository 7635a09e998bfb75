import type { Config } from '../config/config.ts';
import type { Federation } from '../federation/create-federation.ts';
import type { RemoteDirectory } from '../federation/remote-directory.ts';
import type { Gates } from '../governor/gates.ts';
import { RoomMeter } from '../governor/room-meter.ts';
import type { EventSigner } from '../protocol/events/build.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { Database } from '../store/db.ts';
import type { RoomNid, UserNid } from '../store/nids.ts';
import type { RedactionStore } from '../store/rooms/redactions.ts';
import type { SpoolFolder } from '../store/spool/spool-folder.ts';
import type { Stores } from '../store/stores.ts';
import type { Streams } from '../streams/streams.ts';
import type { IdentityServers } from '../users/identity/identity-servers.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import type { Random } from '../util/random.ts';
import type { ResolutionRequest } from '../workers/resolution-job.ts';
import type { WorkerPool } from '../workers/worker-pool.ts';
import { Aliases } from './aliases/aliases.ts';
import { CanonicalAliasCheck } from './aliases/canonical-alias.ts';
import { Edges } from './backfill/edges.ts';
import { RoomCreation } from './create/create.ts';
import { RoomOpening } from './create/opening.ts';
import { AuthEvents } from './input/auth-events.ts';
import type { EventObservers } from './input/event-observers.ts';
import { EventRemoval, type EventRemovalUses } from './input/event-removal.ts';
import { type InputUses, RoomInput } from './input/input.ts';
import { RedactionEffects, type RedactionUses } from './input/redaction-effects.ts';
import { ownSignatures, verifiedSignatures } from './input/signatures.ts';
import { KnownRooms } from './known-rooms.ts';
import { createLimits, type Limiting } from './limits/create-limits.ts';
import { type LocalPeople, MemberRules } from './membership/member-rules.ts';
import { Memberships } from './membership/membership.ts';
import type { CitedMembers } from './partial/cited-members.ts';
import { createPartial, type PartialParts } from './partial/create-partial.ts';
import { ClientEvents } from './read/client-events.ts';
import { RoomHistory } from './read/history.ts';
import { RoomMessages } from './read/messages.ts';
import { Moments } from './read/moments.ts';
import { RoomReading } from './read/reading.ts';
import { RoomTokens } from './read/tokens.ts';
import { Visibility } from './read/visibility.ts';
import { AuthJudge } from './receive/auth-judge.ts';
import { Outliers } from './receive/outliers.ts';
import { Bundles } from './relations/bundles.ts';
import { RelatedEvents } from './relations/related-events.ts';
import { RelationChecks } from './relations/relation-checks.ts';
import { RelationIndex, type RelationIndexUses } from './relations/relation-index.ts';
import { ThreadList } from './relations/thread-list.ts';
import { createRemote, type Remote, type RemoteUses } from './remote/create-remote.ts';
import { LocalEvents } from './send/local-events.ts';
import { LocalInput, type LocalInputUses } from './send/local-input.ts';
import { PolicyCheck } from './send/policy-check.ts';
import { Sending } from './send/send.ts';
import { ServerAccess } from './server-access.ts';
import { Resolutions, type ResolutionsUses } from './state/resolutions.ts';
import { RoomEnds, type RoomEndsUses } from './state/room-ends.ts';
import { StateEngine } from './state/state-engine.ts';
import { createThinning, type ThinningParts } from './thinning/create-thinning.ts';
import { createThirdParty, type ThirdParty } from './third-party/create-third-party.ts';
import { RoomUpgrades } from './upgrade/upgrade.ts';

/** Everything about rooms that others ask for. */
export interface Rooms extends Limiting, Remote, PartialParts, ThirdParty, ThinningParts {
  readonly creation: RoomCreation;
  readonly upgrades: RoomUpgrades;
  readonly sending: Sending;
  readonly membership: Memberships;
  readonly aliases: Aliases;
  readonly reading: RoomReading;
  readonly messages: RoomMessages;
  readonly moments: Moments;
  readonly relatedEvents: RelatedEvents;
  readonly threadList: ThreadList;
  readonly bundles: Bundles;
  readonly known: KnownRooms;
  readonly visibility: Visibility;
  readonly clientEvents: ClientEvents;
  readonly authEvents: AuthEvents;
  readonly history: RoomHistory;
  /** Where the known history of rooms ends. */
  readonly edges: Edges;
  readonly tokens: RoomTokens;
  readonly stateEngine: StateEngine;
  /** What is too large to be resolved while events are taken in. */
  readonly resolutions: Resolutions;
  /** Where rooms end. */
  readonly ends: RoomEnds;
  readonly input: RoomInput;
  readonly serverAccess: ServerAccess;
  readonly policy: PolicyCheck;
  /** Counts what goes on in rooms. */
  readonly meter: RoomMeter;
  readonly outliers: Outliers;
  /** Takes events out that were not allowed after all. */
  readonly removal: EventRemoval;
  readonly redactions: RedactionEffects;
  readonly authJudge: AuthJudge;
  /** Appends events of local users; for use cases over many domains, inside their own write. */
  readonly localInput: LocalInput;
}

export interface RoomsUses {
  readonly db: Database;
  readonly stores: Stores;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly random: Random;
  /** Our name and the key that signs our events. */
  readonly signer: EventSigner;
  readonly people: LocalPeople;
  readonly settings: Config['rooms'];
  readonly limitSettings: Config['limits']['room'];
  readonly purgeSettings: Config['purge'];
  /** What is refused while memory or disk is short. */
  readonly gates?: Gates;
  /** An address of whoever can make exceptions. */
  readonly adminContact: string;
  readonly federation: Federation;
  /** Where what comes from other servers lies until it is checked. */
  readonly spools: SpoolFolder;
  readonly workers: WorkerPool;
  /** `hearth.db`, for those who read it beside the main thread. */
  readonly databaseFile: string;
  /** What takes in events of other servers; it is built on rooms, and so after them. */
  readonly receiver: RemoteUses['receiver'];
  readonly log: Log;
  /** Told of each event inside its transaction. */
  readonly observers: EventObservers;
  readonly remoteDirectory: Pick<RemoteDirectory, 'resolveAlias'>;
  readonly identityServers: IdentityServers;
}

function showing(base: Stores & { readonly clock: Clock }, known: KnownRooms, people: LocalPeople): ClientEvents {
  const asked = { rulesOf: (room: RoomNid) => known.rulesOf(room), isErased: (user: UserNid) => people.isErased(user) };
  return new ClientEvents({ ...base, ...asked }, base.clock);
}

/** Builds the domain bottom-up. */
export function createRooms(uses: RoomsUses): Rooms {
  const { db, stores, streams, clock, random, signer, people, settings, observers, federation, log, remoteDirectory } =
    uses;
  const { serverName } = signer;
  const authEvents = new AuthEvents(stores);
  const signatures = ownSignatures(serverName);
  const common = { db, streams, clock, random, authEvents, signatures, serverName, settings, remoteDirectory, log };
  const base = { ...stores, ...common };
  const known = new KnownRooms(base);
  const visibility = new Visibility(base);
  const clientEvents = showing(base, known, people);
  const meter = new RoomMeter(base);
  const stateEngine = new StateEngine({ ...base, meter, signatures: verifiedSignatures });
  const committing = createInput({ ...base, observers, meter, clientEvents, stateEngine });
  const { input, relationIndex } = committing;
  const authJudge = new AuthJudge(base);
  const localEvents = new LocalEvents({ ...base, signer });
  const atEnds = createEnds(uses, { ...base, known, stateEngine, input, localEvents });
  const { localInput } = atEnds;
  const memberRules = new MemberRules({ ...base, people, mayTalkTo: (server) => federation.policy.mayTalkTo(server) });
  const outliers = new Outliers({ ...base, input, judge: authJudge });
  const policy = new PolicyCheck({ ...base, client: federation.client });
  const partial = createPartial(base);
  const foundation = { rooms: known, ...partial, input, localInput, memberRules, authJudge, outliers, policy };
  const limiting = createLimits({ ...uses, ...base });
  const entrances = createRemote({ ...uses, ...base, stateEngine, ...foundation, ...limiting });
  const canonicalAlias = new CanonicalAliasCheck(base);
  const checks = { canonicalAlias, relationChecks: new RelationChecks({ ...base, relationIndex }) };
  const sending = new Sending({ ...base, ...foundation, ...checks, ...entrances });
  const aliases = new Aliases({ ...base, aliasStore: stores.aliases, rooms: known, sending, visibility });
  const opening = new RoomOpening({ ...base, localEvents, localInput });
  const serverAccess = new ServerAccess(base);
  const thirdParty = createThirdParty({ ...uses, ...base, ...foundation, ...entrances, serverAccess, sending });
  const seen = { ...base, ...partial, known, visibility, clientEvents };
  return {
    creation: new RoomCreation({ ...base, ...foundation, ...thirdParty, opening, sending, directory: aliases }),
    upgrades: new RoomUpgrades({ ...base, rooms: known, opening, localInput, sending, policy }),
    sending,
    membership: new Memberships({ ...base, rooms: known, ...partial, sending, aliases, ...entrances, ...thirdParty }),
    aliases,
    ...createReading(seen, people),
    known,
    visibility,
    clientEvents,
    authEvents,
    stateEngine,
    ...atEnds,
    serverAccess,
    outliers,
    ...committing,
    authJudge,
    policy,
    ...partial,
    ...createThinning({ ...base, rooms: known, relationIndex, maxAge: uses.purgeSettings.historyMaxAge }),
    meter,
    ...limiting,
    ...entrances,
    ...thirdParty,
  };
}

type InputParts = 'redactions' | 'relationIndex';
type CommittingUses = Omit<InputUses & RedactionUses & EventRemovalUses & RelationIndexUses, InputParts> & {
  readonly redactions: RedactionStore;
};

/** What puts events into rooms, and takes them out. */
function createInput(base: CommittingUses) {
  const relationIndex = new RelationIndex(base);
  const redactions = new RedactionEffects({ ...base, relationIndex });
  const parts = { ...base, redactions, relationIndex };
  return { relationIndex, redactions, input: new RoomInput(parts), removal: new EventRemoval(parts) };
}

interface SeenUses extends Stores {
  readonly db: Database;
  readonly clock: Clock;
  readonly streams: Streams;
  readonly serverName: ServerName;
  readonly authEvents: AuthEvents;
  readonly citedMembers: CitedMembers;
  readonly known: KnownRooms;
  readonly visibility: Visibility;
  readonly clientEvents: ClientEvents;
}

/** What shows rooms to those who may see them. */
function createReading(uses: SeenUses, people: LocalPeople) {
  const base = { ...uses, ignored: (user: UserNid) => people.ignored(user) };
  const tokens = new RoomTokens(base);
  const bundles = new Bundles(base);
  const reading = new RoomReading({ ...base, rooms: base.known, bundles, tokens });
  const edges = new Edges(base);
  const history = new RoomHistory({ ...base, edges });
  return {
    reading,
    messages: new RoomMessages({ ...base, reading, history, edges, tokens, bundles }),
    moments: new Moments({ ...base, reading }),
    relatedEvents: new RelatedEvents({ ...base, reading, tokens, bundles }),
    threadList: new ThreadList({ ...base, reading, tokens, bundles }),
    bundles,
    history,
    edges,
    tokens,
  };
}

type EndsUses = Omit<RoomEndsUses & LocalInputUses & ResolutionsUses, 'ends' | 'resolve' | 'gates'>;

/** What concerns the ends of rooms: our events go there, and their states make the current one. */
function createEnds({ workers, databaseFile, gates }: RoomsUses, base: EndsUses) {
  const ends = new RoomEnds(base);
  const resolve = (request: Omit<ResolutionRequest, 'file'>) =>
    workers.run('resolution', { ...request, file: databaseFile });
  return {
    ends,
    localInput: new LocalInput({ ...base, ends }),
    resolutions: new Resolutions({ ...base, ...(gates === undefined ? {} : { gates }), resolve }),
  };
}
