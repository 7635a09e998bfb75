import type { ServerName } from '../protocol/ids/types.ts';
import { AuthGraph } from './auth/auth-graph.ts';
import { BodyPacker } from './bodies/body-packer.ts';
import { ClockMark } from './clock-mark.ts';
import type { Database } from './db.ts';
import { ListedRoomStore } from './directory/listed-rooms.ts';
import { RoomDirectoryStore } from './directory/rooms.ts';
import { UserDirectoryStore } from './directory/users.ts';
import { BackupStore } from './e2ee/backups.ts';
import { CrossSigningStore } from './e2ee/cross-signing.ts';
import { DehydratedDeviceStore } from './e2ee/dehydrated-devices.ts';
import { DeviceKeyStore } from './e2ee/device-keys.ts';
import { DeviceListStore } from './e2ee/device-lists.ts';
import { DeviceUpdateStore } from './e2ee/device-updates.ts';
import { OneTimeKeyStore } from './e2ee/one-time-keys.ts';
import { RemoteListStore } from './e2ee/remote-lists.ts';
import { RemoteToDeviceStore } from './e2ee/remote-to-device.ts';
import { ToDeviceStore } from './e2ee/to-device.ts';
import { ReceiptStore } from './ephemeral/receipts.ts';
import { EventStore } from './events/event-store.ts';
import { Extremities } from './events/extremities.ts';
import { type FederationStores, openFederationStores } from './federation/open.ts';
import { Interning } from './interning/interning.ts';
import { type LimitStores, openLimitStores } from './limits/open.ts';
import { LocalUsers } from './local-users.ts';
import { MediaStore } from './media/media-store.ts';
import { PositionStore } from './positions.ts';
import { PushCountStore } from './push/push-counts.ts';
import { PusherStore } from './push/pushers.ts';
import { RelationStore } from './relations/relations.ts';
import { ThreadStore } from './relations/threads.ts';
import { RestoreNote } from './restore-note.ts';
import { AliasStore } from './rooms/aliases.ts';
import { BoundaryStore } from './rooms/boundaries.ts';
import { DelayedEventStore } from './rooms/delayed-events.ts';
import { HistoryStateStore } from './rooms/history-state.ts';
import { MomentStore } from './rooms/moments.ts';
import { NoticeRoomStore } from './rooms/notice-rooms.ts';
import { PartialRooms } from './rooms/partial-rooms.ts';
import { PendingJoins } from './rooms/pending-joins.ts';
import { RedactionStore } from './rooms/redactions.ts';
import { ReportStore } from './rooms/reports.ts';
import { TransactionStore } from './rooms/transactions.ts';
import { MessageTextStore } from './search/message-text.ts';
import { Segments } from './segments.ts';
import { ServerKeyStore } from './server-keys.ts';
import { MergedPoints } from './state/merged-points.ts';
import { OtherState } from './state/other-state.ts';
import { RoomStateStore } from './state/room-state-store.ts';
import { StateImports } from './state/state-import.ts';
import { StateLog } from './state/state-log.ts';
import { UnsettledRooms } from './state/unsettled-rooms.ts';
import { SyncChanges } from './sync/changes.ts';
import { openThinningStores, type ThinningStores } from './thinning/open.ts';
import { Timeline } from './timeline.ts';
import { AccountDataStore } from './users/account-data.ts';
import { AccountValidityStore } from './users/account-validity.ts';
import { AccountStore } from './users/accounts.ts';
import { BoundAddressStore } from './users/bound-addresses.ts';
import { DeviceStore } from './users/devices.ts';
import { FilterStore } from './users/filters.ts';
import { MailAddressStore } from './users/mail-addresses.ts';
import { OpenIdTokenStore } from './users/openid-tokens.ts';
import { ProfileStore } from './users/profiles.ts';
import { RegistrationTokenStore } from './users/registration-tokens.ts';
import { TokenStore } from './users/tokens.ts';
import { UiaSessionStore } from './users/uia-sessions.ts';

/** Everything that reads and writes `hearth.db`, one object per kind of thing. */
export interface Stores extends FederationStores, LimitStores, ThinningStores {
  readonly interning: Interning;
  readonly positions: PositionStore;
  readonly localUsers: LocalUsers;
  readonly events: EventStore;
  readonly bodyPacker: BodyPacker;
  readonly authGraph: AuthGraph;
  readonly extremities: Extremities;
  readonly timeline: Timeline;
  readonly stateLog: StateLog;
  readonly mergedPoints: MergedPoints;
  readonly unsettled: UnsettledRooms;
  readonly roomState: RoomStateStore;
  readonly otherState: OtherState;
  readonly stateImports: StateImports;
  readonly pendingJoins: PendingJoins;
  readonly partialRooms: PartialRooms;
  readonly aliases: AliasStore;
  readonly boundaries: BoundaryStore;
  readonly moments: MomentStore;
  readonly historyState: HistoryStateStore;
  readonly redactions: RedactionStore;
  readonly relations: RelationStore;
  readonly threads: ThreadStore;
  readonly transactions: TransactionStore;
  readonly segments: Segments;
  readonly receipts: ReceiptStore;
  readonly pushCounts: PushCountStore;
  readonly pushers: PusherStore;
  readonly syncChanges: SyncChanges;
  readonly accounts: AccountStore;
  readonly devices: DeviceStore;
  readonly tokens: TokenStore;
  readonly registrationTokens: RegistrationTokenStore;
  readonly uiaSessions: UiaSessionStore;
  readonly mailAddresses: MailAddressStore;
  readonly accountValidity: AccountValidityStore;
  readonly noticeRooms: NoticeRoomStore;
  readonly profiles: ProfileStore;
  readonly openIdTokens: OpenIdTokenStore;
  readonly reports: ReportStore;
  readonly delayedEvents: DelayedEventStore;
  readonly boundAddresses: BoundAddressStore;
  readonly accountData: AccountDataStore;
  readonly filters: FilterStore;
  readonly roomDirectory: RoomDirectoryStore;
  readonly listedRooms: ListedRoomStore;
  readonly messageText: MessageTextStore;
  readonly userDirectory: UserDirectoryStore;
  readonly deviceLists: DeviceListStore;
  readonly dehydratedDevices: DehydratedDeviceStore;
  readonly deviceUpdates: DeviceUpdateStore;
  readonly remoteLists: RemoteListStore;
  readonly remoteToDevice: RemoteToDeviceStore;
  readonly deviceKeys: DeviceKeyStore;
  readonly oneTimeKeys: OneTimeKeyStore;
  readonly crossSigning: CrossSigningStore;
  readonly toDevice: ToDeviceStore;
  readonly backups: BackupStore;
  readonly media: MediaStore;
  readonly serverKeys: ServerKeyStore;
  readonly restoreNote: RestoreNote;
  readonly clockMark: ClockMark;
}

/** Makes all stores. `serverName` is our own: whose users are local. */
export function openStores(db: Database, serverName: ServerName): Stores {
  const interning = new Interning(db);
  const stateLog = new StateLog(db);
  const roomState = new RoomStateStore(db, interning, stateLog, serverName);
  return {
    interning,
    positions: new PositionStore(db),
    localUsers: new LocalUsers(db),
    events: new EventStore(db, interning),
    bodyPacker: new BodyPacker(db, interning),
    authGraph: new AuthGraph(db),
    extremities: new Extremities(db),
    timeline: new Timeline(db),
    stateLog,
    mergedPoints: new MergedPoints(db),
    unsettled: new UnsettledRooms(db),
    roomState,
    otherState: new OtherState(db, { interning, roomState, stateLog }),
    pendingJoins: new PendingJoins(db),
    partialRooms: new PartialRooms(db),
    stateImports: new StateImports(db, interning, stateLog, serverName),
    aliases: new AliasStore(db),
    boundaries: new BoundaryStore(db),
    moments: new MomentStore(db),
    historyState: new HistoryStateStore(db),
    redactions: new RedactionStore(db),
    relations: new RelationStore(db),
    threads: new ThreadStore(db),
    transactions: new TransactionStore(db),
    segments: new Segments(db),
    receipts: new ReceiptStore(db),
    pushCounts: new PushCountStore(db),
    pushers: new PusherStore(db),
    syncChanges: new SyncChanges(db),
    reports: new ReportStore(db),
    delayedEvents: new DelayedEventStore(db),
    boundAddresses: new BoundAddressStore(db),
    messageText: new MessageTextStore(db),
    deviceLists: new DeviceListStore(db),
    dehydratedDevices: new DehydratedDeviceStore(db),
    deviceUpdates: new DeviceUpdateStore(db),
    remoteLists: new RemoteListStore(db),
    remoteToDevice: new RemoteToDeviceStore(db),
    deviceKeys: new DeviceKeyStore(db),
    oneTimeKeys: new OneTimeKeyStore(db),
    crossSigning: new CrossSigningStore(db),
    toDevice: new ToDeviceStore(db),
    backups: new BackupStore(db),
    media: new MediaStore(db),
    serverKeys: new ServerKeyStore(db),
    restoreNote: new RestoreNote(db),
    clockMark: new ClockMark(db),
    ...openDirectoryStores(db),
    ...openAccountStores(db),
    ...openFederationStores(db),
    ...openLimitStores(db),
    ...openThinningStores(db),
  };
}

function openDirectoryStores(db: Database): Pick<Stores, 'roomDirectory' | 'listedRooms' | 'userDirectory'> {
  return {
    roomDirectory: new RoomDirectoryStore(db),
    listedRooms: new ListedRoomStore(db),
    userDirectory: new UserDirectoryStore(db),
  };
}

function openAccountStores(db: Database) {
  return {
    accounts: new AccountStore(db),
    devices: new DeviceStore(db),
    tokens: new TokenStore(db),
    registrationTokens: new RegistrationTokenStore(db),
    uiaSessions: new UiaSessionStore(db),
    mailAddresses: new MailAddressStore(db),
    accountValidity: new AccountValidityStore(db),
    noticeRooms: new NoticeRoomStore(db),
    profiles: new ProfileStore(db),
    openIdTokens: new OpenIdTokenStore(db),
    accountData: new AccountDataStore(db),
    filters: new FilterStore(db),
  };
}
