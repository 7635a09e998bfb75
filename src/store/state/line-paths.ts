import type { Preparing } from '../database/reader.ts';
import type { EventNid, LineNid, StateKeyNid, StatePoint, StreamPos } from '../nids.ts';

/** A line on the way from a point to its root, and the position up to which it counts. */
export type PathStep = StatePoint;

interface Row {
  readonly key: StateKeyNid;
  readonly event: EventNid | 0;
}

/** Walks one line by key. */
export interface LineCursor {
  head(): readonly [StateKeyNid, EventNid | 0] | undefined;
  advance(): void;
}

/** How lines hang together, and each line's own entries by key. */
export class LinePaths {
  readonly #parent;
  readonly #page;
  readonly #lookUpAll;

  constructor(db: Preparing) {
    this.#parent = db.prepare<[number], { line: LineNid; pos: StreamPos }>(
      'SELECT parent AS line, parent_pos AS pos FROM line WHERE nid = ? AND parent IS NOT NULL',
    );
    // With one max() the other columns come from the row that has it: the newest of each key. The + keeps the planner
    // from reading the whole line by position and sorting it.
    this.#page = db.prepare<[number, number, number, number], Row>(
      'SELECT key, event, max(pos) FROM state_change WHERE line = ? AND key > ? AND +pos <= ?' +
        ' GROUP BY key ORDER BY key LIMIT ?',
    );
    this.#lookUpAll = db
      .prepare<[number, number, string], [StateKeyNid, EventNid | 0 | null]>(
        'SELECT wanted.value, (SELECT event FROM state_change' +
          ' WHERE line = ? AND key = wanted.value AND pos <= ? ORDER BY pos DESC LIMIT 1) FROM json_each(?) AS wanted',
      )
      .raw();
  }

  parentOf(line: LineNid): StatePoint | undefined {
    return this.#parent.get(line);
  }

  /** From the point to the root. A fork counts up to the point where the next line left it. */
  of(point: StatePoint): PathStep[] {
    const path: PathStep[] = [];
    for (let step: StatePoint | undefined = point; step !== undefined; step = this.parentOf(step.line)) path.push(step);
    return path;
  }

  /** What a line itself says, newest of each key, removals included. */
  page(step: PathStep, afterKey: number, limit: number): Row[] {
    return this.#page.all(step.line, afterKey, step.pos, limit);
  }

  /** What holds at a point under each of many keys (0 or left out: nothing), by one statement for each line. */
  lookUpAll(point: StatePoint, keys: readonly StateKeyNid[]): Map<StateKeyNid, EventNid | 0> {
    const found = new Map<StateKeyNid, EventNid | 0>();
    let left = keys;
    for (let step: StatePoint | undefined = point; step !== undefined && left.length > 0; ) {
      const unsaid: StateKeyNid[] = [];
      for (const [key, event] of this.#lookUpAll.all(step.line, step.pos, JSON.stringify(left))) {
        if (event === null) unsaid.push(key);
        else found.set(key, event);
      }
      left = unsaid;
      step = this.parentOf(step.line);
    }
    return found;
  }

  cursor(step: PathStep, afterKey: number, size: number): LineCursor {
    let page = this.page(step, afterKey, size);
    let at = 0;
    return {
      head: () => {
        const row = page[at];
        return row === undefined ? undefined : [row.key, row.event];
      },
      advance: () => {
        const last = page[at];
        at++;
        if (at < page.length || last === undefined || page.length < size) return;
        page = this.page(step, last.key, size);
        at = 0;
      },
    };
  }
}
