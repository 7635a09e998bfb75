import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { authTypesFor } from '../../../src/protocol/event-auth/selection.ts';
import { type BuiltEvent, buildEvent } from '../../../src/protocol/events/build.ts';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import { asRoomId } from '../../../src/protocol/ids/room-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { EventId, RoomId, ServerName, UserId } from '../../../src/protocol/ids/types.ts';
import { asUserId } from '../../../src/protocol/ids/user-id.ts';
import type { RoomVersionRules } from '../../../src/protocol/room-versions.ts';
import { SigningKey } from '../../../src/protocol/signing/keys.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { rulesOf } from '../federation/scripted-server.ts';
import { SeededRandom } from '../seeded-random.ts';

export interface GiantShape {
  readonly members: number;
  readonly servers: number;
  readonly version: string;
  /** What else its state holds. */
  readonly odd?: GiantOddity;
}

/**
 * What makes a room hard to take: so many bans, power levels that cite each other in one chain, events of types that
 * nobody knows, or events of nearly 64 KiB.
 */
export interface GiantOddity {
  readonly kind: 'bans' | 'power' | 'types' | 'large';
  readonly count: number;
}

/** What `giant.json` says. */
export interface GiantAbout extends GiantShape {
  readonly roomId: RoomId;
  /** The server that is asked to let somebody in. */
  readonly resident: ServerName;
  /** The newest event. */
  readonly tip: EventId;
  readonly depth: number;
  /** The events that a join has to cite, by `type|state_key`. */
  readonly rules: Readonly<Record<string, EventId>>;
  readonly stateEvents: number;
}

/** The names of the room's servers: all below one name, so that one certificate is good for all of them. */
export function giantServer(index: number): ServerName {
  return asServerName(index === 0 ? 'giant.test' : `s${index}.giant.test`);
}

const keys = new Map<string, SigningKey>();

/** Every server's key follows from its name. */
export function giantKey(server: string): SigningKey {
  let key = keys.get(server);
  if (key === undefined) {
    const name = createHash('sha256').update(`name of the key of ${server}`).digest('hex').slice(0, 6);
    key = new SigningKey(asKeyId(`ed25519:${name}`), createHash('sha256').update(`key of ${server}`).digest());
    keys.set(server, key);
  }
  return key;
}

const root = resolve(import.meta.dirname, '../../../build/out/giant');

/** The folder of a room of this shape, which is made if it is not there: some 10 s for 40,000 members. */
export function giantRoom(shape: GiantShape): string {
  const { odd } = shape;
  const name = `${shape.members}-${shape.servers}-v${shape.version}${odd === undefined ? '' : `-${odd.kind}-${odd.count}`}`;
  const folder = join(root, name);
  if (existsSync(join(folder, 'giant.json'))) return folder;
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  new GiantWriter(shape, partial).write();
  renameSync(partial, folder);
  return folder;
}

export function readGiant(folder: string): GiantAbout {
  return JSON.parse(readFileSync(join(folder, 'giant.json'), 'utf8')) as GiantAbout;
}

/**
 * Writes the events of a room, one JSON text a line: `state.ndjson` (the state behind all of them, members last) and
 * `auth.ndjson` (what their auth chains hold besides), with their IDs in `state.ids` and `auth.ids`. Every tenth member has joined under another name before.
 */
class GiantWriter {
  readonly #shape: GiantShape;
  readonly #folder: string;
  readonly #rules: RoomVersionRules;
  readonly #random = new SeededRandom('giant');
  readonly #state = new Map<string, EventId>();
  readonly #creator = asUserId('@creator:giant.test');
  #roomId: RoomId = asRoomId('!giant:giant.test');
  #tip: EventId | undefined;
  #depth = 0;
  #ts = Date.UTC(2026, 0, 1);

  constructor(shape: GiantShape, folder: string) {
    this.#shape = shape;
    this.#folder = folder;
    this.#rules = rulesOf(shape.version);
    if (this.#rules.eventIdFormat === 'v1') throw new Error('the giant is made for room versions 3 and up');
  }

  write(): void {
    const state = openSync(join(this.#folder, 'state.ndjson'), 'w');
    const auth = openSync(join(this.#folder, 'auth.ndjson'), 'w');
    let stateEvents = 0;
    const ids = openSync(join(this.#folder, 'state.ids'), 'w');
    const authIds = openSync(join(this.#folder, 'auth.ids'), 'w');
    const keep = (event: BuiltEvent): void => {
      writeSync(state, `${JSON.stringify(event.pdu)}\n`);
      writeSync(ids, `${event.eventId}\n`);
      stateEvents++;
    };
    const keepEarlier = (event: BuiltEvent): void => {
      writeSync(auth, `${JSON.stringify(event.pdu)}\n`);
      writeSync(authIds, `${event.eventId}\n`);
    };
    for (const event of this.#opening(keepEarlier)) keep(event);
    for (const event of this.#oddities()) keep(event);
    const rules = Object.fromEntries(this.#state);
    for (let index = 1; index < this.#shape.members; index++) {
      const user = asUserId(`@user${index}:${giantServer(index % this.#shape.servers)}`);
      if (index % 10 === 0) keepEarlier(this.#join(user));
      keep(this.#join(user));
      // What it cites is not needed any more: memory must hold for a million members too.
      this.#state.delete(`m.room.member|${user}`);
    }
    for (const file of [state, auth, ids, authIds]) closeSync(file);
    if (this.#tip === undefined) throw new Error('no event was made');
    const about: GiantAbout = {
      ...this.#shape,
      roomId: this.#roomId,
      resident: giantServer(0),
      tip: this.#tip,
      depth: this.#depth,
      rules,
      stateEvents,
    };
    writeFileSync(join(this.#folder, 'giant.json'), JSON.stringify(about, undefined, 2));
  }

  *#opening(keepEarlier: (event: BuiltEvent) => void): Generator<BuiltEvent> {
    const { version } = this.#shape;
    const rules = this.#rules;
    const creator = rules.creatorFromSender ? {} : { creator: this.#creator };
    const created = this.#event('m.room.create', '', this.#creator, { room_version: version, ...creator });
    if (rules.roomIdIsCreateHash) this.#roomId = asRoomId(`!${created.eventId.slice(1)}`);
    yield created;
    yield this.#event('m.room.member', this.#creator, this.#creator, { membership: 'join' });
    const users = rules.privilegedCreators ? {} : { [this.#creator]: 100 };
    const levels = this.#shape.odd?.kind === 'power' ? this.#shape.odd.count : 1;
    const power = (index: number) =>
      this.#event('m.room.power_levels', '', this.#creator, { users, events: { 'org.test.turn': index % 100 } });
    for (let index = 1; index < levels; index++) keepEarlier(power(index));
    yield power(levels);
    yield this.#event('m.room.join_rules', '', this.#creator, { join_rule: 'public' });
    yield this.#event('m.room.history_visibility', '', this.#creator, { history_visibility: 'shared' });
    yield this.#event('m.room.name', '', this.#creator, { name: 'The giant' });
  }

  *#oddities(): Generator<BuiltEvent> {
    const { odd, servers } = this.#shape;
    if (odd === undefined || odd.kind === 'power') return;
    for (let index = 1; index <= odd.count; index++) {
      yield this.#odd(odd.kind, index, giantServer(index % servers));
    }
  }

  #odd(kind: 'bans' | 'types' | 'large', index: number, server: ServerName): BuiltEvent {
    if (kind === 'bans') {
      return this.#event('m.room.member', `@banned${index}:${server}`, this.#creator, { membership: 'ban' });
    }
    const type = `org.test.type${index}`;
    const event = this.#event(type, '', this.#creator, {
      data: kind === 'large' ? this.#random.bytes(46_000).toString('base64url') : index,
    });
    this.#state.delete(`${type}|`);
    return event;
  }

  /** At least 800 bytes of canonical JSON, most of them random. */
  #join(user: UserId): BuiltEvent {
    return this.#event('m.room.member', user, user, {
      membership: 'join',
      displayname: this.#random.bytes(12).toString('base64url'),
      avatar_url: `mxc://${user.split(':')[1]}/${this.#random.bytes(18).toString('base64url')}`,
      reason: this.#random.bytes(60).toString('base64url'),
    });
  }

  #event(type: string, stateKey: string, sender: UserId, content: JsonObject): BuiltEvent {
    const selectable = { type, stateKey, sender, content };
    const auth = authTypesFor(selectable, this.#rules)
      .map(([authType, key]) => this.#state.get(`${authType}|${key}`))
      .filter((id) => id !== undefined);
    const server = asServerName(sender.slice(sender.indexOf(':') + 1));
    const isRoot = type === 'm.room.create' && this.#rules.roomIdIsCreateHash;
    const event = buildEvent(
      {
        ...selectable,
        ...(isRoot ? {} : { roomId: this.#roomId }),
        prevEvents: this.#tip === undefined ? [] : [this.#tip],
        authEvents: auth,
        depth: ++this.#depth,
        originServerTs: this.#ts++,
      },
      this.#rules,
      { serverName: server, key: giantKey(server) },
    );
    this.#tip = event.eventId;
    this.#state.set(`${type}|${stateKey}`, event.eventId);
    return event;
  }
}
