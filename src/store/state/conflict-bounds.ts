/** How much of a conflict is looked at. */
export interface ConflictBounds {
  /** States that disagree. */
  readonly sets: number;
  /** Changes of the states since they were one. */
  readonly changes: number;
  /** Keys on which they disagree. */
  readonly conflicts: number;
  /** Questions to the database, an event's body counting as several. */
  readonly reads: number;
}

/** What the main thread resolves itself: some ten milliseconds, on a small board some more. */
export const smallConflict: ConflictBounds = { sets: 50, changes: 2000, conflicts: 50, reads: 1500 };

/**
 * What is resolved at all: some twenty seconds of a worker thread and some 40 MB. The largest rooms there are change
 * less within months; more than that is only told by somebody who wants it to be resolved.
 */
export const largestConflict: ConflictBounds = { sets: 5000, changes: 200_000, conflicts: 20_000, reads: 2_000_000 };

/** There is more to a conflict than the bounds allow. */
export class ConflictTooLarge extends Error {
  override readonly name = 'ConflictTooLarge';

  constructor() {
    super('the states disagree on too much');
  }
}
