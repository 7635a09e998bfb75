import type { PushRules } from '../push/push-rules.ts';
import type { AccountDataStore } from '../store/users/account-data.ts';
import type { Turn } from './turn.ts';

const pushRulesType = 'm.push_rules';

/** Global account data. */
export class AccountDataSection {
  readonly #accountData: AccountDataStore;
  readonly #pushRules: Pick<PushRules, 'content'>;

  constructor(uses: { readonly accountData: AccountDataStore; readonly pushRules: Pick<PushRules, 'content'> }) {
    this.#accountData = uses.accountData;
    this.#pushRules = uses.pushRules;
  }

  /**
   * What changed, or all of it in an initial sync, with the push rules even if nobody changed any: JSON texts with commas
   * between.
   */
  text(turn: Turn): string {
    const filter = turn.filter.accountData;
    if (filter.nothing) return '';
    const rows = turn.initial
      ? this.#accountData.list(turn.user, undefined).filter(({ pos }) => pos <= turn.now)
      : this.#accountData.changed(turn.user, undefined, turn.from, turn.now);
    const others = rows.filter(({ type }) => type !== pushRulesType && filter.allowsType(type));
    const events = others.map(({ type, content }) => `{"type":${JSON.stringify(type)},"content":${content}}`);
    const hasRules = turn.initial || rows.some(({ type }) => type === pushRulesType);
    if (hasRules && filter.allowsType(pushRulesType)) {
      const content = JSON.stringify(this.#pushRules.content(turn.user));
      events.push(`{"type":"${pushRulesType}","content":${content}}`);
    }
    return events.join(',');
  }
}
