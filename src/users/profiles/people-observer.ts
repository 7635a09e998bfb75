import type { UserNid } from '../../store/nids.ts';

/** Hears of each new or ended account and each changed profile, inside its transaction. */
export interface PeopleObserver {
  onPerson(user: UserNid): void;
}
