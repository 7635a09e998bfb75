import type { Database } from '../db.ts';
import { HistoryFloors } from './history-floors.ts';
import { OldEvents } from './old-events.ts';
import { ReceptionMarks } from './reception-marks.ts';
import { ThinningJobs } from './thinning-jobs.ts';

/** Where the history of rooms begins, and what deletes the history before that. */
export interface ThinningStores {
  readonly historyFloors: HistoryFloors;
  readonly receptionMarks: ReceptionMarks;
  readonly oldEvents: OldEvents;
  readonly thinningJobs: ThinningJobs;
}

export function openThinningStores(db: Database): ThinningStores {
  return {
    historyFloors: new HistoryFloors(db),
    receptionMarks: new ReceptionMarks(db),
    oldEvents: new OldEvents(db),
    thinningJobs: new ThinningJobs(db),
  };
}
