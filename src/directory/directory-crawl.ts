import type { Database } from '../store/db.ts';
import type { ListedRoomStore, ListedServer } from '../store/directory/listed-rooms.ts';
import type { Interning } from '../store/interning/interning.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Cancel, Clock } from '../util/clock.ts';
import type { JsonObject } from '../util/json.ts';
import type { Log } from '../util/log.ts';
import type { RemotePublicRooms } from './remote-public-rooms.ts';

export interface CrawlSettings {
  readonly enabled: boolean;
  readonly maxServers: number;
  readonly maxRooms: number;
  readonly interval: Millis;
}

export interface DirectoryCrawlUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly listedRooms: ListedRoomStore;
  readonly remotePublicRooms: Pick<RemotePublicRooms, 'ask'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: CrawlSettings;
}

const minute = 60_000;
const day = 24 * 60 * minute;
/** Between two pages: nobody waits for them, neither here nor there. */
const pause = millis(5000);
/** When nothing is due. */
const rest = millis(10 * minute);
/** Servers that have not been heard of for so long have no say. */
const heardWithin = 7 * day;
const roomsPerPage = 100;
/** What is kept of a name and a topic. */
const maxName = 255;
const maxTopic = 1000;

/**
 * Reads the room directories of the servers that this one talks to, a page at a time and each server once in an
 * interval. Where it stands is in the database, so that a restart goes on.
 */
export class DirectoryCrawl {
  readonly #uses: DirectoryCrawlUses;
  #cancel: Cancel = () => {};
  #underWay: Promise<void> = Promise.resolve();
  readonly #stopping = new AbortController();

  constructor(uses: DirectoryCrawlUses) {
    this.#uses = uses;
  }

  start(): void {
    this.#after(rest);
  }

  /** Begins nothing new, breaks off the question under way and resolves when that is over. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancel();
    await this.#underWay;
  }

  #after(delay: Millis): void {
    if (this.#stopping.signal.aborted || !this.#uses.settings.enabled) return;
    this.#cancel = this.#uses.clock.after(delay, () => {
      this.#underWay = this.step().then(
        (more) => this.#after(more ? pause : rest),
        (cause: unknown) => {
          this.#uses.log.error('directory.crawl_failed', { cause });
          this.#after(rest);
        },
      );
    });
  }

  /** Asks one server for one page; false if it is nobody's turn. */
  async step(): Promise<boolean> {
    const { listedRooms, clock } = this.#uses;
    let turn = listedRooms.due(clock.now());
    if (turn === undefined) {
      this.#chooseServers();
      turn = listedRooms.due(clock.now());
    }
    if (turn === undefined) return false;
    await this.#page(turn);
    return true;
  }

  /** Those heard of last, as many as are allowed; the rooms of the others go. */
  #chooseServers(): void {
    const { db, listedRooms, clock, settings } = this.#uses;
    const now = clock.now();
    const chosen = new Set(listedRooms.heardOf(millis(now - heardWithin), settings.maxServers));
    // As many as an earlier configuration allowed, at most.
    const listed = listedRooms.listed(0, 20_000);
    db.write<void>(() => {
      for (const server of listed) if (!chosen.has(server)) listedRooms.strike(server);
      for (const server of chosen) listedRooms.enlist(server, now);
    });
  }

  async #page(turn: ListedServer): Promise<void> {
    const { db, interning, listedRooms, remotePublicRooms, clock, settings, log } = this.#uses;
    const { server } = turn;
    const name = interning.serverName(server);
    const now = clock.now();
    const round = turn.next === null ? now : turn.round;
    const told = turn.next === null ? 0 : turn.rooms;
    const over = { server, round, next: null, rooms: told, due: millis(now + settings.interval) };
    const limit = Math.min(roomsPerPage, settings.maxRooms - told);
    const page = await remotePublicRooms.ask(name, { limit, since: turn.next ?? undefined }, this.#stopping.signal);
    // Called off by us: the same page is asked for after the restart.
    if (this.#stopping.signal.aborted) return;
    if ('ok' in page) {
      // What it told before is kept until it tells anew.
      log.debug('directory.not_told', { server: name, detail: page.detail });
      db.write<void>(() => listedRooms.move(over));
      return;
    }
    db.write<void>(() => {
      for (const room of page.rooms) listedRooms.put(server, rowOf(room), round);
      const rooms = told + page.rooms.length;
      const goesOn = page.next !== undefined && page.rooms.length > 0 && rooms < settings.maxRooms;
      if (goesOn) {
        listedRooms.move({ server, round, next: page.next ?? null, rooms, due: turn.due });
      } else {
        listedRooms.dropOld(server, round);
        listedRooms.move({ ...over, rooms });
      }
    });
  }
}

function rowOf(room: JsonObject): { roomId: string; joined: number; summary: string } {
  const { name, topic, ...others } = room;
  const summary = {
    ...others,
    ...(typeof name === 'string' ? { name: name.slice(0, maxName) } : {}),
    ...(typeof topic === 'string' ? { topic: topic.slice(0, maxTopic) } : {}),
  };
  return {
    roomId: room['room_id'] as string,
    joined: room['num_joined_members'] as number,
    summary: JSON.stringify(summary),
  };
}
