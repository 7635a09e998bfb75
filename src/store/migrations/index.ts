import foundation from './0001_foundation.sql' with { type: 'text' };
import relations from './0002_relations.sql' with { type: 'text' };
import pushers from './0003_pushers.sql' with { type: 'text' };
import search from './0004_search.sql' with { type: 'text' };
import moderation from './0005_moderation.sql' with { type: 'text' };
import e2ee from './0006_e2ee.sql' with { type: 'text' };
import roomImport from './0007_room_import.sql' with { type: 'text' };
import history from './0008_history.sql' with { type: 'text' };
import remoteServers from './0009_remote_servers.sql' with { type: 'text' };
import remoteDevices from './0010_remote_devices.sql' with { type: 'text' };
import outbox from './0011_outbox.sql' with { type: 'text' };
import remoteMedia from './0012_remote_media.sql' with { type: 'text' };
import receiving from './0013_receiving.sql' with { type: 'text' };
import knownDirectory from './0014_known_directory.sql' with { type: 'text' };
import roomLimits from './0015_room_limits.sql' with { type: 'text' };
import mail from './0016_mail.sql' with { type: 'text' };
import purge from './0017_purge.sql' with { type: 'text' };
import ledger from './0018_ledger.sql' with { type: 'text' };
import roomJoin from './0019_room_join.sql' with { type: 'text' };
import serverNotices from './0020_server_notices.sql' with { type: 'text' };
import partialRooms from './0021_partial_rooms.sql' with { type: 'text' };
import delayedEvent from './0022_delayed_event.sql' with { type: 'text' };
import unsettledRoom from './0023_unsettled_room.sql' with { type: 'text' };
import boundAddress from './0024_bound_address.sql' with { type: 'text' };
import accountValidity from './0025_account_validity.sql' with { type: 'text' };
import redactedOriginal from './0026_redacted_original.sql' with { type: 'text' };
import otherState from './0027_other_state.sql' with { type: 'text' };
import thinning from './0028_thinning.sql' with { type: 'text' };

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  /** The oldest schema version whose program may open a database that has this migration. */
  readonly compat: number;
}

/** All migrations, oldest first. One that has been in a release is never edited. */
export const migrations: readonly Migration[] = [
  { version: 1, name: 'foundation', sql: foundation, compat: 1 },
  { version: 2, name: 'relations', sql: relations, compat: 1 },
  { version: 3, name: 'pushers', sql: pushers, compat: 1 },
  { version: 4, name: 'search', sql: search, compat: 1 },
  { version: 5, name: 'moderation', sql: moderation, compat: 1 },
  { version: 6, name: 'e2ee', sql: e2ee, compat: 1 },
  { version: 7, name: 'room_import', sql: roomImport, compat: 1 },
  { version: 8, name: 'history', sql: history, compat: 1 },
  { version: 9, name: 'remote_servers', sql: remoteServers, compat: 1 },
  { version: 10, name: 'remote_devices', sql: remoteDevices, compat: 1 },
  { version: 11, name: 'outbox', sql: outbox, compat: 1 },
  { version: 12, name: 'remote_media', sql: remoteMedia, compat: 1 },
  { version: 13, name: 'receiving', sql: receiving, compat: 1 },
  { version: 14, name: 'known_directory', sql: knownDirectory, compat: 1 },
  { version: 15, name: 'room_limits', sql: roomLimits, compat: 1 },
  { version: 16, name: 'mail', sql: mail, compat: 1 },
  { version: 17, name: 'purge', sql: purge, compat: 1 },
  { version: 18, name: 'ledger', sql: ledger, compat: 1 },
  { version: 19, name: 'room_join', sql: roomJoin, compat: 1 },
  { version: 20, name: 'server_notices', sql: serverNotices, compat: 1 },
  { version: 21, name: 'partial_rooms', sql: partialRooms, compat: 1 },
  { version: 22, name: 'delayed_event', sql: delayedEvent, compat: 1 },
  { version: 23, name: 'unsettled_room', sql: unsettledRoom, compat: 1 },
  { version: 24, name: 'bound_address', sql: boundAddress, compat: 1 },
  { version: 25, name: 'account_validity', sql: accountValidity, compat: 1 },
  { version: 26, name: 'redacted_original', sql: redactedOriginal, compat: 1 },
  { version: 27, name: 'other_state', sql: otherState, compat: 27 },
  { version: 28, name: 'thinning', sql: thinning, compat: 28 },
];
