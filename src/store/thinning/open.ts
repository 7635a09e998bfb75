import type { Database } from '../db.ts';
import { HistoryFloors } from './history-floors.ts';
import { KeptMessages } from './kept-messages.ts';
import { OldEvents } from './old-events.ts';
import { OldPlaces } from './old-places.ts';
import { ReceptionMarks } from './reception-marks.ts';
import { StrayMessages } from './stray-messages.ts';
import { ThinningJobs } from './thinning-jobs.ts';

/** Where the history of rooms begins, and what deletes the history before that. */
export interface ThinningStores {
  readonly historyFloors: HistoryFloors;
  readonly receptionMarks: ReceptionMarks;
  readonly keptMessages: KeptMessages;
  readonly oldEvents: OldEvents;
  readonly oldPlaces: OldPlaces;
  readonly strayMessages: StrayMessages;
  readonly thinningJobs: ThinningJobs;
}

export function openThinningStores(db: Database): ThinningStores {
  return {
    historyFloors: new HistoryFloors(db),
    receptionMarks: new ReceptionMarks(db),
    keptMessages: new KeptMessages(db),
    oldEvents: new OldEvents(db),
    oldPlaces: new OldPlaces(db),
    strayMessages: new StrayMessages(db),
    thinningJobs: new ThinningJobs(db),
  };
}
