import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { EduSource } from '../../../src/federation/queue/edu-source.ts';
import { Outbox } from '../../../src/federation/queue/outbox.ts';
import type { SendResult } from '../../../src/federation/queue/sender.ts';
import type { Transaction } from '../../../src/federation/queue/transaction.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { ServerName } from '../../../src/protocol/ids/types.ts';
import type { ServerNid } from '../../../src/store/nids.ts';
import { millis } from '../../../src/util/brand.ts';
import { silentLog } from '../../../src/util/log.ts';
import { type StoredEvent, StoreRoom } from '../rooms/store-room.ts';
import { openTestStore, type TempFolder, type TestStore, tempFolder } from '../store.ts';

export interface Sent {
  readonly to: string;
  readonly txnId: string;
  readonly pdus: readonly { content: { body?: string; membership?: string }; type: string }[];
  readonly edus: readonly { edu_type: string; content: Record<string, unknown> }[];
}

/** What becomes of a transaction: taken, not taken, or no answer until it is broken off. */
export type Answer = 'ok' | 'fails' | 'silence' | Promise<'ok' | 'fails'>;

const timeout = millis(60_000);
const retry = { min: 60_000, max: 24 * 3600_000 };

/** A queue over a database of its own and rooms written straight into it; other servers are an answer each. */
export class OutboxRig implements AsyncDisposable {
  /** In the order of their beginnings; `answered` only those that were taken. */
  readonly begun: Sent[] = [];
  readonly taken: Sent[] = [];
  /** The most under way at one time, and to one server. */
  most = 0;
  mostToOne = 0;
  /** What a server answers, if it does not take everything. */
  readonly answers = new Map<string, Answer>();
  readonly forbidden = new Set<string>();
  readonly #folder: TempFolder = tempFolder();
  readonly #underWay = new Map<string, number>();
  #sources: (store: TestStore) => readonly EduSource[] = () => [];
  readonly #rooms: StoreRoom[] = [];
  #now: number | undefined;
  #generation = 0;
  #up: (server: ServerName) => void = () => {};
  #store: TestStore | undefined;
  #outbox: Outbox | undefined;

  static open(sources: (store: TestStore) => readonly EduSource[] = () => []): OutboxRig {
    const rig = new OutboxRig();
    rig.#sources = sources;
    rig.start();
    return rig;
  }

  get store(): TestStore {
    assert.ok(this.#store);
    return this.#store;
  }

  get outbox(): Outbox {
    assert.ok(this.#outbox);
    return this.#outbox;
  }

  start(): void {
    this.#store = openTestStore({ file: join(this.#folder.path, 'hearth.db') });
    const { stores, db, streams, notifier, clock } = this.#store;
    const generation = this.#generation;
    if (this.#now !== undefined) clock.set(this.#now);
    for (const room of this.#rooms) room.moveTo(this.#store);
    this.#outbox = new Outbox({
      ...stores,
      db,
      streams,
      notifier,
      clock,
      log: silentLog,
      serverName: asServerName('localhost'),
      enabled: true,
      sender: { send: (server, transaction, signal) => this.#send(server, transaction, signal, generation) },
      reach: {
        mayTalkTo: (server) => !this.forbidden.has(server),
        isDown: () => false,
        retryAt: () => undefined,
        onUp: (listener) => {
          this.#up = listener;
        },
      },
      retryMin: retry.min,
      retryMax: retry.max,
    });
    for (const source of this.#sources(this.#store)) this.#outbox.addSource(source);
    this.#outbox.start();
  }

  /** Stops in an orderly way, without waiting for answers. */
  async stop(): Promise<void> {
    const stopped = this.outbox.stop();
    this.store.clock.advance(3000);
    await stopped;
    this.#now = this.store.clock.now();
    await this.store[Symbol.asyncDispose]();
  }

  /** Ends without a word, as by a power cut after the last sync: nothing of what is under way is noted any more. */
  async crash(): Promise<void> {
    this.#generation++;
    this.#now = this.store.clock.now();
    this.#underWay.clear();
    await this.store[Symbol.asyncDispose]();
  }

  /** The server is heard of again. */
  cameBack(server: string): void {
    this.answers.delete(server);
    this.#up(asServerName(server));
  }

  /** A room of our own user with users of these servers. */
  room(name: string, servers: readonly string[]): RigRoom {
    const { db } = this.store;
    return db.write(() => {
      const room = new StoreRoom(this.store, '10', `!${name}:localhost`);
      room.create('@us:localhost');
      room.join('@us:localhost');
      for (const server of servers) room.join(`@them:${server}`);
      this.#rooms.push(room);
      return new RigRoom(this, room);
    });
  }

  /** As `RoomInput` does with what is committed. */
  committed(event: StoredEvent): StoredEvent {
    const { stores, streams } = this.store;
    const row = stores.events.row(event.nid);
    assert.ok(row);
    this.outbox.events.onEvent({ row });
    streams.touchRoom(row.room);
    return event;
  }

  server(name: string): ServerNid {
    const nid = this.store.stores.interning.findServer(name);
    assert.ok(nid, name);
    return nid;
  }

  /** Lets everything run until nothing is under way but what is not answered. */
  async settle(): Promise<void> {
    let quiet = 0;
    let seen = -1;
    for (let turn = 0; quiet < 12; turn++) {
      assert.ok(turn < 20_000, 'it does not come to rest');
      await new Promise((resolve) => setImmediate(resolve));
      quiet = this.begun.length + this.taken.length === seen ? quiet + 1 : 0;
      seen = this.begun.length + this.taken.length;
    }
  }

  /** What a server has taken, in order: bodies of messages, memberships, types of EDUs. */
  heard(server: string): string[] {
    return this.taken
      .filter(({ to }) => to === server)
      .flatMap(({ pdus, edus }) => [
        ...pdus.map(({ content, type }) => content.body ?? content.membership ?? type),
        ...edus.map(({ edu_type }) => edu_type),
      ]);
  }

  /** Rows of servers that are behind. */
  rows(): string[] {
    return this.outbox.behind(0, 10_000).map(({ name }) => name);
  }

  async #send(
    server: ServerName,
    { txnId, body }: Transaction,
    signal: AbortSignal,
    generation: number,
  ): Promise<SendResult> {
    if (generation !== this.#generation) return new Promise(() => {});
    const sent: Sent = { to: server, txnId, edus: [], ...JSON.parse(body) };
    this.begun.push(sent);
    this.#count(server, 1);
    try {
      await new Promise((resolve) => setImmediate(resolve));
      const answer = await this.#answer(server, signal);
      // Taken or not, the process that asked is gone.
      if (generation !== this.#generation) return await new Promise(() => {});
      if (answer !== 'ok') return { ok: false, detail: answer };
      this.taken.push(sent);
      return { ok: true, value: { pdus: {} } };
    } finally {
      if (generation === this.#generation) this.#count(server, -1);
    }
  }

  #answer(server: ServerName, signal: AbortSignal): Promise<string> {
    const answer = this.answers.get(server) ?? 'ok';
    const aborted = new Promise<string>((resolve) => {
      signal.addEventListener('abort', () => resolve('broken off'), { once: true });
    });
    const late = new Promise<string>((resolve) => this.store.clock.after(timeout, () => resolve('timeout')));
    const answered = answer === 'silence' ? late : Promise.resolve(answer);
    return Promise.race([answered, aborted, late]);
  }

  #count(server: string, by: number): void {
    const toOne = (this.#underWay.get(server) ?? 0) + by;
    if (toOne === 0) this.#underWay.delete(server);
    else this.#underWay.set(server, toOne);
    this.most = Math.max(this.most, this.#underWay.size);
    this.mostToOne = Math.max(this.mostToOne, toOne);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } finally {
      this.#folder[Symbol.dispose]();
    }
  }
}

/** A room of the rig; what happens in it is seen by the queue. */
export class RigRoom {
  readonly #rig: OutboxRig;
  readonly #room: StoreRoom;

  constructor(rig: OutboxRig, room: StoreRoom) {
    this.#rig = rig;
    this.#room = room;
  }

  get nid() {
    return this.#room.nid;
  }

  say(...bodies: readonly string[]): StoredEvent[] {
    return this.#rig.store.db.write(() =>
      bodies.map((body) => this.#rig.committed(this.#room.message('@us:localhost', body))),
    );
  }

  from(sender: string, body: string): void {
    this.#rig.store.db.write<void>(() => void this.#rig.committed(this.#room.message(sender, body)));
  }

  member(user: string, membership: string, sender = user): void {
    this.#rig.store.db.write<void>(() => void this.#rig.committed(this.#room.member(user, membership, sender)));
  }
}
