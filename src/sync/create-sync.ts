import type { E2ee } from '../e2ee/create-e2ee.ts';
import type { Presence } from '../ephemeral/presence.ts';
import type { Typing } from '../ephemeral/typing.ts';
import type { PushRules } from '../push/push-rules.ts';
import type { CitedMembers } from '../rooms/partial/cited-members.ts';
import type { PartialState } from '../rooms/partial/partial-state.ts';
import type { ClientEvents } from '../rooms/read/client-events.ts';
import type { RoomMessages } from '../rooms/read/messages.ts';
import type { RoomReading } from '../rooms/read/reading.ts';
import type { Visibility } from '../rooms/read/visibility.ts';
import type { Bundles } from '../rooms/relations/bundles.ts';
import type { Database } from '../store/db.ts';
import type { OneTimeKeyStore } from '../store/e2ee/one-time-keys.ts';
import type { ReceiptStore } from '../store/ephemeral/receipts.ts';
import type { EventStore } from '../store/events/event-store.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { PushCountStore } from '../store/push/push-counts.ts';
import type { Segments } from '../store/segments.ts';
import type { OtherState } from '../store/state/other-state.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { StateLog } from '../store/state/state-log.ts';
import type { SyncChanges } from '../store/sync/changes.ts';
import type { HistoryFloors } from '../store/thinning/history-floors.ts';
import type { Timeline } from '../store/timeline.ts';
import type { AccountDataStore } from '../store/users/account-data.ts';
import type { Notifier } from '../streams/notifier.ts';
import type { Streams } from '../streams/streams.ts';
import type { People } from '../users/profiles/people.ts';
import type { Clock } from '../util/clock.ts';
import { AccountDataSection } from './account-data-section.ts';
import { ChangedRooms } from './changed-rooms.ts';
import { DeviceSections } from './device-sections.ts';
import { InvitedRooms } from './invited-room.ts';
import { JoinedRooms } from './joined-room.ts';
import { LeftRooms } from './left-room.ts';
import { MemberMemory } from './member-memory.ts';
import { EventStream } from './old/event-stream.ts';
import { Snapshots } from './old/snapshots.ts';
import { PresenceSection } from './presence-section.ts';
import { RoomEphemeral } from './room-ephemeral.ts';
import { RoomStates } from './room-state.ts';
import { RoomSummaries } from './room-summary.ts';
import { RoomTimelines } from './room-timeline.ts';
import { Sync } from './sync.ts';

export interface CreateSyncUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly notifier: Notifier;
  readonly clock: Clock;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly segments: Segments;
  readonly roomState: RoomStateStore;
  readonly stateLog: StateLog;
  readonly otherState: OtherState;
  readonly receipts: ReceiptStore;
  readonly pushCounts: PushCountStore;
  readonly syncChanges: SyncChanges;
  readonly accountDataStore: AccountDataStore;
  readonly visibility: Visibility;
  readonly clientEvents: ClientEvents;
  readonly bundles: Bundles;
  readonly reading: RoomReading;
  readonly messages: RoomMessages;
  readonly timeline: Timeline;
  readonly historyFloors: HistoryFloors;
  readonly pushRules: PushRules;
  readonly people: Pick<People, 'blocksInvites'>;
  readonly typing: Typing;
  readonly partialState: PartialState;
  readonly citedMembers: CitedMembers;
  readonly presence: Presence;
  readonly oneTimeKeys: OneTimeKeyStore;
  readonly e2ee: E2ee;
}

export interface Syncing {
  readonly sync: Sync;
  readonly eventStream: EventStream;
  readonly snapshots: Snapshots;
}

/** Puts /sync, and what was before it, together from their sections. */
export function createSync(uses: CreateSyncUses): Syncing {
  const memory = new MemberMemory();
  const shared = { ...uses, changes: uses.syncChanges, memory };
  const sections = {
    ...shared,
    accountData: uses.accountDataStore,
    epoch: uses.streams.epoch,
    timelines: new RoomTimelines(shared),
    states: new RoomStates(shared),
    summaries: new RoomSummaries(uses),
    ephemeral: new RoomEphemeral(uses),
  };
  const joined = new JoinedRooms(sections);
  const accountData = new AccountDataSection(sections);
  const sync = new Sync({
    ...uses,
    accountData,
    sections,
    memory,
    joined,
    rooms: new ChangedRooms(shared),
    devices: new DeviceSections({ ...uses, ...uses.e2ee }),
    presence: new PresenceSection(uses),
    left: new LeftRooms({ ...sections, joined }),
    invited: new InvitedRooms(uses),
  });
  const old = { ...shared, accountData, ephemeral: sections.ephemeral };
  return { sync, eventStream: new EventStream(old), snapshots: new Snapshots(old) };
}
