import type { Receipts } from '../ephemeral/receipts.ts';
import type { TypingService } from '../ephemeral/typing-service.ts';
import type { PushRules } from '../push/push-rules.ts';
import type { Sync } from '../sync/sync.ts';
import type { Filters } from '../users/filters.ts';

/** The domain services that endpoints are given; never stores. Each domain adds its own. */
export interface Services {
  readonly sync: Sync;
  readonly receipts: Receipts;
  readonly typing: TypingService;
  readonly pushRules: PushRules;
  readonly filters: Filters;
}
