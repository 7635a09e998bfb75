import type { Preparing } from '../database/reader.ts';
import type { EventNid, LineNid, RoomNid, StateKeyNid, StatePoint, StreamPos } from '../nids.ts';
import { ConflictTooLarge } from './conflict-bounds.ts';
import { LinePaths, type PathStep } from './line-paths.ts';

/** An entry of the log: what is under the key from its position on; 0 is nothing. */
export type StateChange = readonly [key: StateKeyNid, event: EventNid | 0];
/** An entry of a state. */
export type StateEntry = readonly [key: StateKeyNid, event: EventNid];
export type LineKind = 'main' | 'fork';

export interface Line {
  readonly nid: LineNid;
  readonly room: RoomNid;
  readonly kind: LineKind;
  readonly parent: StatePoint | undefined;
  readonly depth: number;
}

/** `line.kind` */
const mainKind = 0;
const forkKind = 1;
/** Deeper forks are flattened: every look-up walks the path to the root. */
const maxDepth = 6;
const unbounded = Number.POSITIVE_INFINITY;
/** Rows fetched at once where a state is walked: bounds memory, not the result. */
const pageSize = 256;

/**
 * The state of all rooms as a log of changes. A *line* holds changes `(key, position) → event`; what it does not say is
 * what its parent says at the point where it branched off. State at any time is a point (line, position), so nothing is
 * ever copied, and no state is ever held in memory as a whole. Writing methods belong inside a write.
 */
export class StateLog {
  readonly #paths: LinePaths;
  readonly #line;
  readonly #insertLine;
  readonly #lookUp;
  readonly #append;
  readonly #insertAtBase;
  readonly #newest;
  readonly #changesBetween;
  readonly #lineAt;
  readonly #openLine;
  readonly #dropRows;
  readonly #dropLine;

  constructor(db: Preparing) {
    this.#paths = new LinePaths(db);
    this.#line = db.prepare<[number], LineRow>(
      'SELECT nid, room, kind, parent, parent_pos AS parentPos, depth FROM line WHERE nid = ?',
    );
    this.#insertLine = db.prepare<[number, number, number | null, number | null, number], never>(
      'INSERT INTO line (room, kind, parent, parent_pos, depth) VALUES (?, ?, ?, ?, ?)',
    );
    this.#lookUp = db.prepare<[number, number, number], { event: EventNid | 0 }>(
      'SELECT event FROM state_change WHERE line = ? AND key = ? AND pos <= ? ORDER BY pos DESC LIMIT 1',
    );
    this.#append = db.prepare<[number, number, number, number], never>(
      'INSERT INTO state_change (line, key, pos, event) VALUES (?, ?, ?, ?)' +
        ' ON CONFLICT (line, key, pos) DO UPDATE SET event = excluded.event',
    );
    this.#insertAtBase = db.prepare<[number, number, number, number], never>(
      'INSERT OR IGNORE INTO state_change (line, key, pos, event) VALUES (?, ?, ?, ?)',
    );
    this.#newest = db.remember<[number, number], { pos: StreamPos }>(
      'SELECT pos FROM state_change WHERE line = ? AND pos <= ? ORDER BY pos DESC LIMIT 1',
    );
    // The index on (line, pos) gives a range in arrival order; a later row of a key overwrites an earlier one.
    this.#changesBetween = db.rememberStretch<
      [line: number, after: number, upTo: number, limit: number],
      { key: StateKeyNid; event: EventNid | 0 }
    >('SELECT key, event FROM state_change WHERE line = ? AND pos > ? AND pos <= ? ORDER BY pos LIMIT ?', {
      keys: 1,
    });
    this.#lineAt = db.prepare<[number, number], { line: LineNid }>(
      'SELECT line FROM room_line WHERE room = ? AND from_pos <= ? ORDER BY from_pos DESC LIMIT 1',
    );
    this.#openLine = db.prepare<[number, number, number], never>(
      'INSERT INTO room_line (room, from_pos, line) VALUES (?, ?, ?)',
    );
    this.#dropRows = db.prepare<[number, number], never>(
      // Without statistics the planner takes the primary key and walks the whole line.
      'DELETE FROM state_change INDEXED BY state_change_pos WHERE line = ? AND pos = ?',
    );
    this.#dropLine = db.prepare<[number], never>('DELETE FROM line WHERE nid = ?');
  }

  /**
   * A new line. A fork branches off `parent`; one that would be too deep becomes a fork of the main line, with what
   * the lines between say copied into it.
   */
  createLine(room: RoomNid, kind: LineKind, parent?: StatePoint): LineNid {
    const path = parent === undefined ? [] : this.#paths.of(parent);
    const root = path.at(-1);
    if (root === undefined) return this.#create(room, kind, undefined, 0);
    if (path.length <= maxDepth) return this.#create(room, kind, path[0], path.length);
    const line = this.#create(room, kind, root, 1);
    this.#copyOverrides(path, line);
    return line;
  }

  #create(room: RoomNid, kind: LineKind, parent: PathStep | undefined, depth: number): LineNid {
    const code = kind === 'main' ? mainKind : forkKind;
    const { lastInsertRowid } = this.#insertLine.run(room, code, parent?.line ?? null, parent?.pos ?? null, depth);
    return Number(lastInsertRowid) as LineNid;
  }

  /** Copies what the forks of a path say, nearest first, to position 0: before any that the new line will use. */
  #copyOverrides(path: readonly PathStep[], line: LineNid): void {
    for (const step of path.slice(0, -1)) {
      for (const [key, event] of this.#stepEntries(step)) this.#insertAtBase.run(line, key, 0, event);
    }
  }

  *#stepEntries(step: PathStep): Generator<StateChange> {
    let after = 0;
    while (true) {
      const page = this.#paths.page(step, after, pageSize);
      for (const row of page) yield [row.key, row.event];
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) return;
      after = last.key;
    }
  }

  line(nid: LineNid): Line | undefined {
    const row = this.#line.get(nid);
    if (row === undefined) return undefined;
    const { room, depth, parent, parentPos } = row;
    return {
      nid,
      room,
      depth,
      kind: row.kind === mainKind ? 'main' : 'fork',
      parent: parent === null || parentPos === null ? undefined : { line: parent, pos: parentPos },
    };
  }

  /** Writes changes that hold from `pos` on. `pos` is not below what the line already holds. */
  append(line: LineNid, pos: StreamPos, changes: Iterable<StateChange>): void {
    for (const [key, event] of changes) this.#append.run(line, key, pos, event);
  }

  /**
   * Adds entries at the base of a line that was begun from an incomplete state: every later point of the line and of
   * its forks sees them, unless something else was written under the key since. A key that the base has keeps its event.
   */
  insertAtBase(line: LineNid, base: StreamPos, entries: Iterable<StateEntry>): void {
    for (const [key, event] of entries) {
      if (this.#lookUp.get(line, key, base) === undefined) this.#insertAtBase.run(line, key, base, event);
    }
  }

  /** Whether a fork ends at this point, so that what follows it can be appended instead of opening another fork. */
  isEndOfFork(point: StatePoint): boolean {
    if (this.#newest.get(point.line, Number.MAX_SAFE_INTEGER)?.pos !== point.pos) return false;
    return this.#line.get(point.line)?.kind === forkKind;
  }

  /** Takes back the changes at the end of a fork, to which nothing points; with the last of them the fork goes. */
  retract(end: StatePoint): void {
    this.#dropRows.run(end.line, end.pos);
    if ((this.#newest.get(end.line, Number.MAX_SAFE_INTEGER)?.pos ?? 0) > 0) return;
    // What was copied from the forks below, when this one would have been too deep, was for its own changes.
    this.#dropRows.run(end.line, 0);
    this.#dropLine.run(end.line);
  }

  /** The event under a key. */
  at(point: StatePoint, key: StateKeyNid): EventNid | undefined {
    let step: StatePoint | undefined = point;
    while (step !== undefined) {
      const found = this.#lookUp.get(step.line, key, step.pos);
      if (found !== undefined) return found.event === 0 ? undefined : found.event;
      step = this.#paths.parentOf(step.line);
    }
    return undefined;
  }

  /**
   * The same state by the position of its newest change, so that most equal states are equal points. A fork that
   * says nothing yet is its parent.
   */
  normalise(point: StatePoint): StatePoint {
    let step = point;
    while (true) {
      const newest = this.#newest.get(step.line, step.pos);
      if (newest !== undefined) return { line: step.line, pos: newest.pos };
      const parent = this.#paths.parentOf(step.line);
      if (parent === undefined) return { line: step.line, pos: 0 as StreamPos };
      step = parent;
    }
  }

  /** One page of a state: at most `limit` entries with keys above `afterKey`, in the order of keys. */
  pageAt(point: StatePoint, afterKey: StateKeyNid | 0, limit: number): StateEntry[] {
    const page: StateEntry[] = [];
    for (const entry of this.#entries(point, afterKey, Math.min(limit, pageSize))) {
      page.push(entry);
      if (page.length >= limit) break;
    }
    return page;
  }

  /** A state, entry by entry in the order of keys, read in pages. Not to be held across an `await`. */
  allAt(point: StatePoint): IterableIterator<StateEntry> {
    return this.#entries(point, 0, pageSize);
  }

  /** Merges the lines of a path by key: of several that speak about a key, the nearest is right. */
  *#entries(point: StatePoint, afterKey: number, size: number): Generator<StateEntry> {
    const cursors = this.#paths.of(point).map((step) => this.#paths.cursor(step, afterKey, size));
    while (true) {
      let nearest: StateChange | undefined;
      for (const cursor of cursors) {
        const head = cursor.head();
        if (head !== undefined && (nearest === undefined || head[0] < nearest[0])) nearest = head;
      }
      if (nearest === undefined) return;
      const [key, event] = nearest;
      for (const cursor of cursors) if (cursor.head()?.[0] === key) cursor.advance();
      if (event !== 0) yield [key, event];
    }
  }

  /** What changed on a line in (from, to]: the newest event of each key, 0 where the key went away. */
  changesBetween(line: LineNid, from: StreamPos, to: StreamPos): StateChange[] {
    const newest = new Map<StateKeyNid, EventNid | 0>();
    for (const row of this.#changesBetween.all(line, from, to, -1)) newest.set(row.key, row.event);
    return [...newest];
  }

  /**
   * The keys under which the states at the points are not all equal, with each point's event. Throws `ConflictTooLarge`
   * if more than `most` changes lie between them.
   */
  difference(points: readonly StatePoint[], most = unbounded): Map<StateKeyNid, (EventNid | undefined)[]> {
    const paths = points.map((point) => this.#paths.of(point));
    const common = commonLine(paths);
    if (common === undefined) return this.#differenceOfStrangers(points, most);
    const meeting = { line: common, pos: Math.min(...paths.map((path) => stepOn(path, common).pos)) as StreamPos };
    const left = { changes: most };
    const sides = paths.map((path) => this.#changesSince(path, meeting, left));
    // Where a side says nothing, it says what all said where they met: each key is looked up there once at most.
    const keys = new Set(sides.flatMap((side) => [...side.keys()]));
    const unsaid = [...keys].filter((key) => sides.some((side) => !side.has(key)));
    const before = this.#paths.lookUpAll(meeting, unsaid);
    const differing = new Map<StateKeyNid, (EventNid | undefined)[]>();
    for (const key of keys) {
      const bySide = sides.map((side) => (side.has(key) ? side.get(key) : before.get(key)) || undefined);
      if (bySide.some((event) => event !== bySide[0])) differing.set(key, bySide);
    }
    return differing;
  }

  /** What the lines of a path say, down to a point on one of them: the newest of each key. */
  #changesSince(
    path: readonly PathStep[],
    since: StatePoint,
    left: { changes: number },
  ): Map<StateKeyNid, EventNid | 0> {
    const changes = new Map<StateKeyNid, EventNid | 0>();
    const end = path.findIndex(({ line }) => line === since.line);
    // From the far end on, so that what is nearer overwrites what is farther.
    for (const step of path.slice(0, end + 1).reverse()) {
      const from = step.line === since.line ? since.pos : -1;
      const limit = left.changes === unbounded ? -1 : left.changes + 1;
      const rows = this.#changesBetween.all(step.line, from, step.pos, limit);
      left.changes -= rows.length;
      if (left.changes < 0) throw new ConflictTooLarge();
      for (const { key, event } of rows) changes.set(key, event);
    }
    return changes;
  }

  /** Lines without a common ancestor (a room left and joined again): both states are walked side by side. */
  #differenceOfStrangers(points: readonly StatePoint[], most: number): Map<StateKeyNid, (EventNid | undefined)[]> {
    const differing = new Map<StateKeyNid, (EventNid | undefined)[]>();
    const sides = points.map((point) => this.allAt(point));
    const heads = sides.map((side) => side.next());
    for (let walked = 0; heads.some((head) => head.done !== true); walked++) {
      if (walked > most) throw new ConflictTooLarge();
      const key = Math.min(...heads.map((head) => (head.done === true ? Infinity : head.value[0]))) as StateKeyNid;
      const bySide = heads.map((head) => (head.done !== true && head.value[0] === key ? head.value[1] : undefined));
      if (bySide.some((event) => event !== bySide[0])) differing.set(key, bySide);
      for (const [index, head] of heads.entries()) {
        const side = sides[index];
        if (side !== undefined && head.done !== true && head.value[0] === key) heads[index] = side.next();
      }
    }
    return differing;
  }

  /** The main line that a sync position of a room belongs to: a rejoin begins a new one. */
  lineAt(room: RoomNid, pos: StreamPos): LineNid | undefined {
    return this.#lineAt.get(room, pos)?.line;
  }

  /** From `fromPos` on, `line` is the room's main line. */
  setMainLine(room: RoomNid, fromPos: StreamPos, line: LineNid): void {
    this.#openLine.run(room, fromPos, line);
  }
}

interface LineRow {
  readonly nid: LineNid;
  readonly room: RoomNid;
  readonly kind: number;
  readonly parent: LineNid | null;
  readonly parentPos: StreamPos | null;
  readonly depth: number;
}

/** The nearest line that every path runs over. */
function commonLine(paths: readonly (readonly PathStep[])[]): LineNid | undefined {
  return paths[0]?.find(({ line }) => paths.every((path) => path.some((step) => step.line === line)))?.line;
}

function stepOn(path: readonly PathStep[], line: LineNid): PathStep {
  const step = path.find((candidate) => candidate.line === line);
  if (step === undefined) throw new Error('the path does not run over its common line');
  return step;
}
