import { checkAuth } from '../../../src/protocol/event-auth/check.ts';
import { authTypesFor, checkAuthEventsSelection } from '../../../src/protocol/event-auth/selection.ts';
import type { AuthEvent } from '../../../src/protocol/event-auth/types.ts';
import { type RoomVersionRules, roomVersionRules } from '../../../src/protocol/room-versions.ts';
import { StateMap } from '../../../src/protocol/state-resolution/state-map.ts';
import { resolveStateSets } from '../../../src/protocol/state-resolution/state-sets.ts';
import { Seeded } from '../seeded.ts';
import { authEventOf, goodSignatures } from './auth-event.ts';
import { type Draft, RandomDrafts } from './random-drafts.ts';

/** A made-up room and some states of it that a server might have to resolve. */
export interface RandomRoom {
  readonly rules: RoomVersionRules;
  readonly create: AuthEvent<string>;
  readonly events: ReadonlyMap<string, AuthEvent<string>>;
  readonly sets: readonly StateMap<string>[];
}

/** One view of the room: a fork that grows, or a moment of one. */
interface View {
  readonly state: StateMap<string>;
  readonly tip: string;
  readonly depth: number;
}

/**
 * A room of 5 to 64 events and 2 to 80 states, both named by the seed. Every event passes the auth rules against its
 * auth events; those that fail against the state before them are marked rejected and are in states that some other
 * server might claim.
 */
export function randomRoom(version: string, seed: number): RandomRoom {
  const rules = roomVersionRules(version);
  if (!rules) throw new Error(`no room version ${version}`);
  return new Growth(rules, new Seeded(seed)).run();
}

class Growth {
  readonly #rules: RoomVersionRules;
  readonly #random: Seeded;
  readonly #drafts: RandomDrafts;
  readonly #events = new Map<string, AuthEvent<string>>();
  readonly #create: AuthEvent<string>;
  readonly #forks: View[];
  readonly #moments: View[];
  #time = 1000;

  constructor(rules: RoomVersionRules, random: Seeded) {
    this.#rules = rules;
    this.#random = random;
    this.#drafts = new RandomDrafts(rules, random);
    this.#create = this.#event(this.#drafts.create(), { state: new StateMap(), tip: '', depth: 0 }, []);
    const first = { state: stateWith(new StateMap(), this.#create), tip: this.#create.id, depth: 1 };
    this.#forks = [first];
    this.#moments = [];
  }

  run(): RandomRoom {
    for (const draft of this.#drafts.beginning()) this.#add(0, draft, this.#fork(0).state);
    const size = 5 + this.#random.below(60);
    for (let tries = 0; this.#events.size < size && tries < 400; tries++) this.#step();
    if (this.#random.chance(0.2)) this.#rejectLater();
    return { rules: this.#rules, create: this.#create, events: this.#events, sets: this.#pickSets() };
  }

  /** Turns a few accepted events into rejected ones that others already cite: this server's view changed. */
  #rejectLater(): void {
    for (const [id, event] of this.#events) {
      if (event !== this.#create && this.#random.chance(0.1)) this.#events.set(id, { ...event, rejected: true });
    }
  }

  #step(): void {
    const at = this.#random.below(this.#forks.length);
    if (this.#random.chance(0.1) && this.#forks.length < 8) {
      this.#forks.push(this.#fork(at));
    } else if (this.#random.chance(0.06) && this.#forks.length > 1) {
      this.#merge();
    } else {
      const view = this.#fork(at);
      const draft = this.#drafts.next((type, stateKey) => this.#lookup(view.state, type, stateKey));
      // Some servers lag behind: their auth events are of an older or another state.
      const stale = this.#random.chance(0.2) && this.#moments.length > 0;
      this.#add(at, draft, stale ? this.#random.pick(this.#moments).state : view.state);
    }
  }

  #merge(): void {
    const count = 2 + this.#random.below(this.#forks.length - 1);
    const [kept, ...others] = this.#random.shuffle(this.#forks).slice(0, count);
    if (!kept) return;
    const fetch = (id: string) => this.#get(id);
    const sets = [kept, ...others].map((view) => view.state);
    const state = resolveStateSets(this.#rules, sets, fetch, goodSignatures);
    const depth = Math.max(kept.depth, ...others.map((view) => view.depth));
    const rest = this.#forks.filter((view) => view !== kept && !others.includes(view));
    this.#forks.splice(0, this.#forks.length, ...rest, { state, tip: kept.tip, depth });
  }

  /** Adds a draft to a fork if its auth events allow it. */
  #add(at: number, draft: Draft, authState: StateMap<string>): void {
    const view = this.#fork(at);
    const cited = authTypesFor(draft, this.#rules)
      .map(([type, stateKey]) => this.#lookup(authState, type, stateKey))
      .filter((event) => event !== undefined);
    const event = this.#event(draft, view, cited);
    const selection = checkAuthEventsSelection(this.#rules, event, cited);
    if (!selection.allowed || !this.#allows(event, stateOfEvents([this.#create, ...cited]))) return;
    const isRejected = !this.#allows(event, view.state);
    if (isRejected && this.#random.chance(0.5)) return;
    const kept = isRejected ? { ...event, rejected: true } : event;
    this.#events.set(event.id, kept);
    const next = { state: stateWith(view.state, kept), tip: event.id, depth: event.depth };
    this.#moments.push(next);
    if (!isRejected) this.#forks[at] = next;
  }

  #allows(event: AuthEvent<string>, state: StateMap<string>): boolean {
    const known = (type: string, stateKey: string) => {
      const id = state.get(type, stateKey);
      return id === undefined ? undefined : this.#get(id);
    };
    return checkAuth(this.#rules, event, known, goodSignatures).allowed;
  }

  #event(draft: Draft, view: View, cited: readonly AuthEvent<string>[]): AuthEvent<string> {
    // Clocks disagree by a little, and often show the same time.
    this.#time += this.#random.below(3);
    const letters = this.#drafts.letters(5);
    const id = `$${letters}${this.#events.size}${this.#rules.eventIdFormat === 'v1' ? ':s' : ''}`;
    const isCreate = draft.type === 'm.room.create';
    const event = authEventOf({
      event_id: id,
      type: draft.type,
      state_key: draft.stateKey,
      sender: draft.sender,
      ...(!(isCreate && this.#rules.roomIdIsCreateHash) && { room_id: this.#roomId() }),
      content: draft.content,
      auth_events: cited.map((each) => each.id),
      prev_events: isCreate ? [] : [view.tip],
      origin_server_ts: this.#time - this.#random.below(12),
      depth: view.depth + 1,
    });
    if (isCreate) this.#events.set(id, event);
    return event;
  }

  #roomId(): string {
    return this.#rules.roomIdIsCreateHash ? `!${this.#create.eventId.slice(1)}` : '!r:s0';
  }

  #pickSets(): StateMap<string>[] {
    const spread = this.#random.below(20);
    const [least, most] = spread < 14 ? [2, 4] : spread < 18 ? [5, 14] : [15, 80];
    const count = least + this.#random.below(most - least + 1);
    const views = [...this.#forks, ...this.#moments];
    const sets = Array.from({ length: count }, () => {
      const recent = this.#random.chance(0.5) ? this.#forks : views;
      return this.#random.pick(recent).state;
    });
    // The state before the first event, which no other server would send.
    if (this.#random.chance(0.02)) sets[1] = new StateMap();
    return sets;
  }

  #fork(at: number): View {
    const view = this.#forks[at];
    if (!view) throw new Error(`no fork ${at}`);
    return view;
  }

  #get(id: string): AuthEvent<string> {
    const event = this.#events.get(id);
    if (!event) throw new Error(`no event ${id}`);
    return event;
  }

  #lookup(state: StateMap<string>, type: string, stateKey: string): AuthEvent<string> | undefined {
    const id = state.get(type, stateKey);
    return id === undefined ? undefined : this.#get(id);
  }
}

function stateWith(state: StateMap<string>, event: AuthEvent<string>): StateMap<string> {
  return state.copy().set(event.type, event.stateKey ?? '', event.id);
}

function stateOfEvents(events: readonly AuthEvent<string>[]): StateMap<string> {
  const state = new StateMap<string>();
  for (const event of events) state.set(event.type, event.stateKey ?? '', event.id);
  return state;
}
