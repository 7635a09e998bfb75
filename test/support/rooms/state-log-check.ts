import assert from 'node:assert/strict';
import type { EventNid, LineNid, RoomNid, StateKeyNid, StatePoint, StreamPos } from '../../../src/store/nids.ts';
import type { StateChange, StateLog } from '../../../src/store/state/state-log.ts';
import type { Seeded } from '../seeded.ts';

/** A state as anybody would write it down: what changed here, on top of another state. */
interface Plain {
  readonly below: Plain | undefined;
  readonly changes: Map<StateKeyNid, EventNid | 0>;
}

interface Known {
  readonly point: StatePoint;
  readonly plain: Plain;
}

interface Main {
  readonly line: LineNid;
  readonly base: Known;
  /** Every change of the line after its base, in order. */
  readonly history: { pos: StreamPos; changes: readonly StateChange[] }[];
  tip: Known;
}

/** Enough for keys that only some states have, few enough for keys to meet. */
const keyCount = 24;
/** Points that are remembered: older ones are dropped at random. */
const knownCount = 60;

/**
 * Does to a state log and to plain maps the same at random: changes of the current state, forks of forks, growing
 * forks, merges, corrections, entries added at the base, rejoins. Then asks both.
 */
export class StateLogCheck {
  readonly #log: StateLog;
  readonly #random: Seeded;
  readonly #room: RoomNid;
  readonly #forks: Known[] = [];
  /** From which position on which main line is the room's. */
  readonly #mains: [from: StreamPos, line: LineNid][] = [];
  #known: Known[] = [];
  #main: Main;
  #pos = 0;
  #event = 0;
  lookUps = 0;
  deepest = 0;
  rejoins = -1;
  /** Entries that went to the base below rows that were there already. */
  insertedBelow = 0;

  constructor(log: StateLog, random: Seeded, room: number) {
    this.#log = log;
    this.#random = random;
    this.#room = room as RoomNid;
    this.#main = this.#openMain();
  }

  /** One random change, inside a write. */
  step(): void {
    const actions = [
      () => this.#growMain(),
      () => this.#growMain(),
      () => this.#fork(),
      () => this.#growFork(),
      () => this.#merge(),
      () => this.#insertAtBase(),
      () => this.#takeBack(),
    ];
    if (this.#random.chance(0.01)) this.#main = this.#openMain();
    else this.#random.pick(actions)();
    while (this.#known.length > knownCount) this.#known.splice(this.#random.below(this.#known.length), 1);
  }

  /** Looks `count` random keys of random points up, and compares whole states now and then. */
  compare(count: number): void {
    for (let i = 0; i < count; i++) {
      const { point, plain } = this.#pick();
      const key = this.#key();
      assert.equal(this.#log.at(point, key), present(plain, key));
      this.lookUps++;
    }
    const { point, plain } = this.#pick();
    const whole = [...materialise(plain)].sort(([a], [b]) => a - b);
    assert.deepEqual([...this.#log.allAt(point)], whole);
    assert.deepEqual([...this.#log.allAt(this.#log.normalise(point))], whole);
    const after = this.#key();
    const page = whole.filter(([key]) => key > after).slice(0, 3);
    assert.deepEqual(this.#log.pageAt(point, after, 3), page);
    this.#compareChanges();
    this.lookUps += whole.length * 2;
  }

  #compareChanges(): void {
    const { line, base, history } = this.#main;
    const from = (base.point.pos + this.#random.below(this.#pos - base.point.pos + 1)) as StreamPos;
    const to = (from + this.#random.below(this.#pos - from + 1)) as StreamPos;
    const newest = new Map<StateKeyNid, EventNid | 0>();
    for (const { pos, changes } of history) {
      if (pos > from && pos <= to) for (const [key, event] of changes) newest.set(key, event);
    }
    assert.deepEqual(new Map(this.#log.changesBetween(line, from, to)), newest);
    const token = this.#random.below(this.#pos + 2) as StreamPos;
    const mainThen = this.#mains.findLast(([from]) => from <= token)?.[1];
    assert.equal(this.#log.lineAt(this.#room, token), mainThen);
  }

  #openMain(): Main {
    const line = this.#log.createLine(this.#room, 'main');
    const pos = this.#next();
    this.#log.setMainLine(this.#room, pos, line);
    this.#mains.push([pos, line]);
    this.rejoins++;
    const changes = this.#changes(4).filter(([, event]) => event !== 0);
    this.#log.append(line, pos, changes);
    const base = { point: { line, pos }, plain: { below: undefined, changes: new Map(changes) } };
    this.#known.push(base);
    return { line, base, history: [], tip: base };
  }

  #growMain(): void {
    const changes = this.#changes(3);
    const { line, tip, history } = this.#main;
    const pos = this.#next();
    this.#log.append(line, pos, changes);
    this.#main.tip = { point: { line, pos }, plain: { below: tip.plain, changes: new Map(changes) } };
    history.push({ pos, changes });
    this.#known.push(this.#main.tip);
  }

  /** Also what a soft-failed or rejected state event leaves: a fork that nobody goes on with. */
  #fork(): void {
    this.#forkFrom(this.#pick(), this.#changes(3));
  }

  #forkFrom(from: Known, changes: readonly StateChange[]): Known {
    const line = this.#log.createLine(this.#room, 'fork', from.point);
    const pos = this.#next();
    this.#log.append(line, pos, changes);
    this.deepest = Math.max(this.deepest, this.#log.line(line)?.depth ?? 0);
    const fork = { point: { line, pos }, plain: { below: from.plain, changes: new Map(changes) } };
    this.#known.push(fork);
    this.#forks.push(fork);
    if (this.#forks.length > 8) this.#forks.shift();
    return fork;
  }

  #growFork(): void {
    if (this.#forks.length === 0) return this.#fork();
    const index = this.#random.below(this.#forks.length);
    const tip = this.#forks[index] as Known;
    const changes = this.#changes(2);
    const pos = this.#next();
    this.#log.append(tip.point.line, pos, changes);
    const grown = {
      point: { line: tip.point.line, pos },
      plain: { below: tip.plain, changes: new Map(changes) },
    };
    this.#forks[index] = grown;
    this.#known.push(grown);
  }

  #merge(): void {
    const sides = Array.from({ length: 2 + this.#random.below(3) }, () => this.#pick());
    const difference = this.#log.difference(sides.map((side) => side.point));
    assert.deepEqual(difference, plainDifference(sides.map((side) => side.plain)));
    const winners: StateChange[] = [...difference].map(([key, bySide]) => [
      key,
      bySide[this.#random.below(bySide.length)] ?? 0,
    ]);
    const base = this.#random.pick(sides);
    this.#forkFrom(
      base,
      winners.filter(([key, event]) => (present(base.plain, key) ?? 0) !== event),
    );
  }

  #insertAtBase(): void {
    const entries = this.#changes(3).filter((change): change is [StateKeyNid, EventNid] => change[1] !== 0);
    const { line, base, history } = this.#main;
    this.#log.insertAtBase(line, base.point.pos, entries);
    for (const [key, event] of entries) {
      if (base.plain.changes.has(key)) continue;
      base.plain.changes.set(key, event);
      if (history.some(({ changes }) => changes.some(([changed]) => changed === key))) this.insertedBelow++;
    }
  }

  /** A fork whose event became current state after all: what it said goes away, and with its last row the line. */
  #takeBack(): void {
    const from = this.#pick();
    const line = this.#log.createLine(this.#room, 'fork', from.point);
    const kept = this.#changes(2);
    const pos = this.#next();
    this.#log.append(line, pos, kept);
    const end = { line, pos: this.#next() };
    this.#log.append(line, end.pos, this.#changes(2));
    assert.equal(this.#log.isEndOfFork({ line, pos }), false);
    assert.equal(this.#log.isEndOfFork(end), true);
    this.#log.retract(end);
    assert.equal(this.#log.isEndOfFork({ line, pos }), true);
    if (this.#random.chance(0.5)) {
      this.#log.retract({ line, pos });
      assert.equal(this.#log.line(line), undefined);
    } else {
      this.#known.push({ point: { line, pos: end.pos }, plain: { below: from.plain, changes: new Map(kept) } });
    }
  }

  #changes(most: number): StateChange[] {
    const changes = new Map<StateKeyNid, EventNid | 0>();
    for (let left = 1 + this.#random.below(most); left > 0; left--) {
      this.#event++;
      changes.set(this.#key(), this.#random.chance(0.2) ? 0 : (this.#event as EventNid));
    }
    return [...changes];
  }

  #key(): StateKeyNid {
    return (1 + this.#random.below(keyCount)) as StateKeyNid;
  }

  /** Positions have gaps: the clock is shared by all rooms. */
  #next(): StreamPos {
    this.#pos += 1 + this.#random.below(3);
    return this.#pos as StreamPos;
  }

  #pick(): Known {
    return this.#random.pick(this.#known);
  }
}

function present(plain: Plain, key: StateKeyNid): EventNid | undefined {
  const event = materialise(plain).get(key);
  return event === 0 ? undefined : event;
}

function materialise(plain: Plain): Map<StateKeyNid, EventNid> {
  const layers: Plain[] = [];
  for (let layer: Plain | undefined = plain; layer !== undefined; layer = layer.below) layers.push(layer);
  const state = new Map<StateKeyNid, EventNid>();
  for (const layer of layers.reverse()) {
    for (const [key, event] of layer.changes) {
      if (event === 0) state.delete(key);
      else state.set(key, event);
    }
  }
  return state;
}

function plainDifference(sides: readonly Plain[]): Map<StateKeyNid, (EventNid | undefined)[]> {
  const states = sides.map(materialise);
  const differing = new Map<StateKeyNid, (EventNid | undefined)[]>();
  for (const key of new Set(states.flatMap((state) => [...state.keys()]))) {
    const bySide = states.map((state) => state.get(key));
    if (bySide.some((event) => event !== bySide[0])) differing.set(key, bySide);
  }
  return differing;
}
