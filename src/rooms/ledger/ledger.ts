import { count, type Excess, excesses, excessWords } from '../../governor/room-limits.ts';
import type { RoomMeter } from '../../governor/room-meter.ts';
import { rounded } from '../../governor/room-model.ts';
import type { RoomId, ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomCostStore, RoomScale } from '../../store/limits/room-costs.ts';
import type { FileSizes, SizesRequest } from '../../store/limits/room-sizes.ts';
import type { RoomNid } from '../../store/nids.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import type { CommittedEvent, EventObserver } from '../input/observer.ts';
import type { RoomLimits } from '../limits/room-limits.ts';
import type { ThinningToSize } from '../thinning/thinning-to-size.ts';

export interface LedgerUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly roomCosts: RoomCostStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly serverName: ServerName;
  readonly meter: RoomMeter;
  readonly limits: Pick<RoomLimits, 'isExemptInside' | 'settings'>;
  /** Measures `hearth.db` beside the main thread. */
  readonly measure: (request: Omit<SizesRequest, 'file'>) => Promise<FileSizes>;
  /** Has old history of a room deleted. */
  readonly thinningToSize: Pick<ThinningToSize, 'begin'>;
  /** Has all users of this server leave a room. */
  readonly leave: (roomId: RoomId) => Promise<void>;
  /** Tells the admins something, if they want to be told. */
  readonly tellAdmins?: (text: string) => Promise<void>;
}

/** What a room costs. */
export interface LedgerEntry {
  readonly roomId: RoomId;
  readonly bytes: number;
  /** Of all that is used of the file, in percent. */
  readonly share: number;
  readonly groups: Readonly<Record<string, number>>;
  readonly members: number;
  readonly servers: number;
  readonly eventsPerDay: number;
  /** Seconds of the main thread a day. */
  readonly cpuPerDay: number;
  readonly deliveriesPerDay: number;
  readonly resolutionsPerDay: number;
  /** The limits that it is above by now. */
  readonly above: readonly Excess[];
}

export interface LedgerReport {
  readonly file: number;
  readonly free: number;
  readonly rooms: readonly LedgerEntry[];
  readonly others: FileSizes['others'];
  readonly shared: FileSizes['shared'];
}

/** Rooms told one by one, and kept. */
const top = 200;
const roomsPerSlice = 100;
const day = 24 * 60 * 60_000;
/** To what part of the limit a room's history is deleted, so that it does not begin again with the next messages. */
const thinnedTo = 0.8;
/** By then names that nothing uses any more are gone as well. */
const betweenThinnings = 7 * day;
/** Figures of less time would be multiplied too much. */
const shortest = day / 24;

/** What each room really costs, and what is done about those that have outgrown the limits. */
export class Ledger implements EventObserver {
  readonly follows = { live: 'all' } as const;
  readonly #uses: LedgerUses;
  #cursor: RoomNid | 0 = 0;

  constructor(uses: LedgerUses) {
    this.#uses = uses;
  }

  onEvent({ row }: CommittedEvent): void {
    const { meter, roomState, interning } = this.#uses;
    const servers = roomState.info(row.room)?.servers ?? 0;
    const isOurs = interning.userServer(row.sender) === interning.findServer(this.#uses.serverName);
    meter.count(row.room, { events: 1, deliveries: isOurs ? Math.max(0, servers - 1) : 0 });
  }

  /** Measures the file anew, which takes a second for each few hundred megabytes. */
  async report(): Promise<LedgerReport> {
    const { meter, measure, roomCosts, db, clock } = this.#uses;
    meter.flush();
    const sizes = await measure({ top });
    db.write<void>(() => roomCosts.replace(sizes.rooms, clock.now()));
    const used = Math.max(1, sizes.file - sizes.free);
    const { file, free, others, shared } = sizes;
    const rooms = sizes.rooms.map(({ room, bytes, groups }) => {
      const share = rounded((bytes / used) * 100);
      return { ...this.#entry(room as RoomNid, bytes), share, groups };
    });
    return { file, free, rooms, others, shared };
  }

  #entry(room: RoomNid, bytes: number) {
    const { interning, roomState } = this.#uses;
    const { joined, servers, states } = roomState.info(room) ?? { joined: 0, servers: 0, states: 0 };
    const above = this.#above({ room, joined, servers, states }, bytes);
    return { roomId: interning.roomId(room), bytes, members: joined, servers, ...this.#daily(room), above };
  }

  #daily(room: RoomNid) {
    const { roomCosts, clock } = this.#uses;
    const activity = roomCosts.activity(room) ?? { events: 0, micros: 0, deliveries: 0, resolutions: 0, since: 0 };
    const days = Math.max(shortest, clock.now() - activity.since) / day;
    return {
      eventsPerDay: rounded(activity.events / days),
      cpuPerDay: rounded(activity.micros / 1e6 / days),
      deliveriesPerDay: rounded(activity.deliveries / days),
      resolutionsPerDay: rounded(activity.resolutions / days),
    };
  }

  #above({ room, joined, servers, states }: RoomScale, bytes: number | undefined): Excess[] {
    const { limits, roomState } = this.#uses;
    if (!roomState.hasLocalJoined(room) || limits.isExemptInside(room)) return [];
    const disk = bytes === undefined ? {} : { diskMb: rounded(bytes / 1e6) };
    return excesses({ members: joined, servers, stateEvents: states, ...disk }, limits.settings);
  }

  /** Looks at some rooms whether they have outgrown a limit; false after the last of them. */
  async watchSome(): Promise<boolean> {
    const page = this.#uses.roomCosts.scales(this.#cursor, roomsPerSlice);
    for (const scale of page) await this.#watch(scale);
    this.#cursor = page.length < roomsPerSlice ? 0 : (page.at(-1)?.room ?? 0);
    return this.#cursor !== 0;
  }

  async #watch(scale: RoomScale): Promise<void> {
    const { roomCosts, db, clock, log, interning, limits, leave } = this.#uses;
    const { room } = scale;
    const bytes = roomCosts.bytesOf(room);
    const above = this.#above(scale, bytes);
    const names = JSON.stringify(above.map(({ limit }) => limit));
    const told = roomCosts.outgrown(room);
    if (above.length === 0) {
      if (told !== undefined) db.write<void>(() => roomCosts.unmarkOutgrown(room));
      return;
    }
    const mayThin = this.#mayThin(room, above);
    if (told === names && !mayThin) return;
    db.write<void>(() => roomCosts.markOutgrown(room, names, clock.now()));
    const roomId = interning.roomId(room);
    const { eventsPerDay, cpuPerDay } = this.#entry(room, bytes ?? 0);
    // A room that is nowhere else would be lost.
    const leaves = limits.settings.whenOutgrown === 'leave' && scale.servers > 1;
    const thins = mayThin && (await this.#thin(room, above));
    if (told === names && !thins) return;
    const action = leaves ? 'leave' : thins ? 'thin' : 'warn';
    log.warn('limits.room_outgrown', { roomId, above, bytes, eventsPerDay, cpuPerDay, action });
    await this.#uses.tellAdmins?.(outgrownWords(roomId, { above, bytes, cpuPerDay, action }));
    if (leaves) await leave(roomId);
  }

  /**
   * Whether history may be deleted: once for limits that this does not help with; for the disk again when it has been
   * measured anew, after some days in which what was freed has been given back.
   */
  #mayThin(room: RoomNid, above: readonly Excess[]): boolean {
    const { roomCosts, limits } = this.#uses;
    if (limits.settings.whenOutgrown !== 'thin') return false;
    const thinned = roomCosts.thinned(room);
    if (thinned === undefined) return true;
    return isAboveDisk(above) && (roomCosts.cost(room)?.measured ?? 0) > thinned + betweenThinnings;
  }

  /** True if history is being deleted. */
  async #thin(room: RoomNid, above: readonly Excess[]): Promise<boolean> {
    const { thinningToSize, roomCosts, limits, db, clock } = this.#uses;
    const most = limits.settings.maxDiskMb * 1e6 * thinnedTo;
    const free = isAboveDisk(above) ? Math.max(0, (roomCosts.bytesOf(room) ?? 0) - most) : 'all';
    const outcome = await thinningToSize.begin(room, free);
    if (outcome !== 'later') db.write<void>(() => roomCosts.markThinned(room, clock.now()));
    return outcome === 'begun';
  }
}

const isAboveDisk = (above: readonly Excess[]): boolean => above.some(({ limit }) => limit === 'max_disk_mb');

const consequences = {
  warn: 'Your users stay in it.',
  thin: 'What was said there long ago is being deleted.',
  leave: 'All users of this server leave it.',
} as const;

/** What an admin reads who looks into no log. */
function outgrownWords(
  roomId: RoomId,
  {
    above,
    bytes,
    cpuPerDay,
    action,
  }: {
    readonly above: readonly Excess[];
    readonly bytes: number | undefined;
    readonly cpuPerDay: number;
    readonly action: keyof typeof consequences;
  },
): string {
  const disk = bytes === undefined ? '' : `${count(rounded(bytes / 1e6))} MB on disk and `;
  return [
    `The room ${roomId} has outgrown what this server allows: it has ${above.map(excessWords).join('; ')}.`,
    `It takes ${disk}${count(cpuPerDay)} seconds of the processor a day.`,
    consequences[action],
    `"hearth room ledger" says what rooms cost, "hearth room exempt add '${roomId}'" makes an exception,`,
    `"hearth room purge --leave '${roomId}'" gives the room up.`,
  ].join(' ');
}

/** `These 3 rooms are 82 % of your server`; nothing where no few rooms are most of it. */
export function shareWords(rooms: readonly Pick<LedgerEntry, 'roomId' | 'share'>[]): string | undefined {
  let sum = 0;
  for (const [index, { share }] of rooms.slice(0, 10).entries()) {
    sum += share;
    if (sum < 80) continue;
    const which = index === 0 ? 'This room is' : `These ${index + 1} rooms are`;
    const names = rooms.slice(0, index + 1).map(({ roomId }) => roomId);
    return `${which} ${Math.round(sum)} % of your server: ${names.join(', ')}`;
  }
  return undefined;
}
