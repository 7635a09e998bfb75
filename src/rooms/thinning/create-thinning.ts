import { OldEventRemoval, type OldEventRemovalUses } from './old-event-removal.ts';
import { OldHistory, type OldHistoryUses } from './old-history.ts';
import { HistoryThinning, type HistoryThinningUses } from './thinning.ts';
import { ThinningToSize, type ThinningToSizeUses } from './thinning-to-size.ts';

export type CreateThinningUses = OldHistoryUses &
  OldEventRemovalUses &
  Omit<HistoryThinningUses, 'oldHistory' | 'removal'> &
  Pick<ThinningToSizeUses, 'roomCosts'>;

export interface ThinningParts {
  /** Deletes old history. */
  readonly thinning: HistoryThinning;
  readonly thinningToSize: ThinningToSize;
}

export function createThinning(uses: CreateThinningUses): ThinningParts {
  const oldHistory = new OldHistory(uses);
  const removal = new OldEventRemoval(uses);
  const thinning = new HistoryThinning({ ...uses, oldHistory, removal });
  return { thinning, thinningToSize: new ThinningToSize({ ...uses, oldHistory, thinning }) };
}
