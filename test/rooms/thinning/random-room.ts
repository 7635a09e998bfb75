import assert from 'node:assert/strict';
import { type Pdu, refIds } from '../../../src/protocol/events/pdu.ts';
import { asEventId } from '../../../src/protocol/ids/event-id.ts';
import type { EventId, UserId } from '../../../src/protocol/ids/types.ts';
import type { RoomNid } from '../../../src/store/nids.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import type { ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Seeded } from '../../support/seeded.ts';
import { Universe } from '../../support/servers/universe.ts';
import type { World } from '../../support/servers/world.ts';
import { Account, enc } from './old-room.ts';

export const here = 'a.test';
const there = 'b.test';

/**
 * A room of another server that two of ours are in, in which whatever may happen has happened: forks, gaps, history that
 * came by backfill, relations, threads, redactions of messages and of state, receipts, messages that are not for all.
 */
export class RandomRoom implements AsyncDisposable {
  readonly universe: Universe;
  readonly server: ScriptedServer;
  readonly room: ScriptedRoom;
  readonly seeded: Seeded;
  readonly people: Account[] = [];
  readonly #remote: UserId[] = [];
  /** Tokens of /sync and of /messages, of any age. */
  readonly tokens: string[] = [];
  #isSilent = false;

  private constructor(universe: Universe, seed: number) {
    this.universe = universe;
    this.seeded = new Seeded(seed);
    this.server = universe.script(there);
    this.room = ScriptedRoom.create(this.server, this.seeded.pick(['6', '10', '11', '12']));
    this.room.serve();
    this.server.on('PUT', '/_matrix/federation/v1/send/{}', () => ({ pdus: {} }));
    // Now and then it keeps what lies between to itself: then there is a gap.
    const path = `/_matrix/federation/v1/get_missing_events/${this.room.roomId}`;
    this.server.on('POST', path, ({ body }) => (this.#isSilent ? { events: [] } : this.#between(body)));
  }

  static async open(seed: number, steps: number): Promise<RandomRoom> {
    const universe = await Universe.open([here], { federation: { retry_min: '1m' } });
    const made = new RandomRoom(universe, seed);
    await made.#begin();
    for (let step = 0; step < steps; step++) await made.#step();
    return made;
  }

  get world(): World {
    return this.universe.world(here);
  }

  get nid(): RoomNid {
    const nid = this.world.hs.stores.interning.findRoom(this.room.roomId);
    assert.ok(nid);
    return nid;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.universe[Symbol.asyncDispose]();
  }

  #between(body: { latest_events: EventId[]; earliest_events: EventId[] }) {
    const found: Pdu[] = [];
    const seen = new Set<string>(body.earliest_events);
    const queue = body.latest_events.flatMap((id) => this.#parents(id));
    for (const id of queue) {
      if (seen.has(id) || !this.room.entries.has(id) || found.length >= 30) continue;
      seen.add(id);
      found.push(this.room.pdu(id));
      queue.push(...this.#parents(id));
    }
    return { events: found.reverse() as never[] };
  }

  #parents(id: EventId): EventId[] {
    return refIds(this.room.pdu(id).prev_events);
  }

  async #begin(): Promise<void> {
    for (const name of ['u1', 'u2', 'u3']) {
      const user = this.server.user(name);
      this.room.add({ type: 'm.room.member', sender: user, stateKey: user, content: { membership: 'join' } });
      this.#remote.push(user);
    }
    for (let i = 0; i < 15; i++) this.#talk();
    for (const name of ['alice', 'bob']) {
      const person = await Account.of(this.world, name);
      await person.ok('POST', `/join/${enc(this.room.roomId)}?via=${there}`, {});
      this.people.push(person);
    }
  }

  #talk(prevEvents?: readonly EventId[]) {
    const sender = this.seeded.pick(this.#remote);
    const id = this.seeded.pick([...this.room.entries.keys()]);
    const relates = this.seeded.pick([
      null,
      null,
      { rel_type: 'm.thread', event_id: id },
      { rel_type: 'm.annotation', event_id: id, key: '+' },
    ]);
    const content = {
      body: `words ${this.room.entries.size}`,
      msgtype: 'm.text',
      ...(relates === null ? {} : { 'm.relates_to': relates }),
    };
    const at = prevEvents === undefined ? {} : { prevEvents };
    return this.room.add({ type: 'm.room.message', sender, content, ...at });
  }

  async #step(): Promise<void> {
    const { seeded, room } = this;
    const roll = seeded.fraction();
    if (roll < 0.35) await this.#local();
    else if (roll < 0.6) await this.deliver(this.#talk(this.#fork()).eventId);
    else if (roll < 0.7) await this.deliver(this.#changeState(this.#fork()).eventId);
    else if (roll < 0.78) await this.#redactThere();
    else if (roll < 0.86) {
      for (let i = seeded.below(12); i >= 0; i--) this.#talk();
      this.#isSilent = seeded.chance(0.7);
      await this.deliver(this.#talk().eventId);
      this.#isSilent = false;
    } else if (roll < 0.93) await this.#read();
    else {
      const token = await seeded.pick(this.people).ok('GET', '/sync');
      this.tokens.push(token.next_batch as string);
    }
    this.universe.clock.advance(1000);
    assert.ok(room.entries.size > 0);
  }

  /** Behind the room's ends, or behind something before them. */
  #fork(): EventId[] {
    const { seeded, room } = this;
    if (seeded.chance(0.7)) return room.ends;
    const ids = [...room.entries.keys()].slice(-12);
    return [...new Set([seeded.pick(ids), seeded.pick(ids)])];
  }

  #changeState(prevEvents: readonly EventId[]) {
    const { seeded, room } = this;
    const n = `${room.entries.size}`;
    const user = seeded.pick(this.#remote);
    const draft = seeded.pick([
      { type: 'm.room.name', stateKey: '', content: { name: n } },
      { type: 'm.room.topic', stateKey: '', content: { topic: n } },
      { type: 'm.room.member', sender: user, stateKey: user, content: { membership: 'join', displayname: n } },
    ]);
    return room.add({ ...draft, prevEvents });
  }

  async #redactThere(): Promise<void> {
    const { room, seeded } = this;
    const targets = [...room.entries.values()].filter(({ pdu }) =>
      ['m.room.message', 'm.room.name', 'm.room.topic'].includes(pdu.type),
    );
    if (targets.length === 0) return;
    const { eventId } = seeded.pick(targets);
    const inContent = room.rules.redactsIn === 'content';
    const redaction = room.add({
      type: 'm.room.redaction',
      content: inContent ? { redacts: eventId } : {},
      ...(inContent ? {} : { redacts: eventId }),
    });
    await this.deliver(redaction.eventId);
  }

  /** Sends an event, whatever comes before it. */
  async deliver(eventId: EventId): Promise<void> {
    const { status } = await this.server.send(here, [this.room.pdu(eventId)]);
    assert.equal(status, 200);
  }

  async #local(): Promise<void> {
    const { seeded, room } = this;
    const person = seeded.pick(this.people);
    const known = [...room.entries.keys()];
    // Nothing begins in the middle of a thread.
    const id = seeded.pick(known.filter((each) => room.pdu(each).content['m.relates_to'] === undefined));
    const roll = seeded.below(5);
    let sent: string;
    if (roll === 0) sent = await person.say(room.roomId, 'a reply', { rel_type: 'm.thread', event_id: id });
    else if (roll === 1) {
      const path = `/rooms/${enc(room.roomId)}/send/m.reaction/${known.length}`;
      const relates = { rel_type: 'm.annotation', event_id: id, key: `${known.length}` };
      sent = (await person.ok('PUT', path, { 'm.relates_to': relates })).event_id as string;
    } else sent = await person.say(room.roomId, `said ${known.length}`);
    this.#take(sent);
    if (roll === 2 && seeded.chance(0.4)) this.#take(await person.redact(room.roomId, sent));
  }

  #take(eventId: string): void {
    const { interning, events } = this.world.hs.stores;
    const nid = interning.findEvent(asEventId(eventId));
    assert.ok(nid !== undefined);
    this.room.take(events.pdu(nid) as Pdu);
  }

  /** Somebody reads on, which may bring history here, and says so. */
  async #read(): Promise<void> {
    const { seeded, room } = this;
    const person = seeded.pick(this.people);
    const path = `/rooms/${enc(room.roomId)}`;
    const from = seeded.chance(0.5) && this.tokens.length > 0 ? `&from=${seeded.pick(this.tokens)}` : '';
    const page = await person.ok('GET', `${path}/messages?dir=b&limit=${5 + seeded.below(20)}${from}`);
    if (page.end !== undefined) this.tokens.push(page.end as string);
    const [event] = page.chunk as { event_id: string }[];
    if (event !== undefined) await person.ok('POST', `${path}/receipt/m.read/${enc(event.event_id)}`, {});
  }
}
