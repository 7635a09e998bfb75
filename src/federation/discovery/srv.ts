import type { SrvRecord } from '../../outbound/resolve-dns.ts';
import type { Random } from '../../util/random.ts';

/** Places of a service that are tried; lists with more exist to annoy. */
const most = 8;

/**
 * The order in which the places of a service are tried: by priority, and among those of one priority by chance, those
 * of more weight more often first. None if the service is said not to be there (a single place called `.`).
 * @see https://www.rfc-editor.org/rfc/rfc2782
 */
export function srvOrder(records: readonly SrvRecord[], random: Random): SrvRecord[] {
  const usable = records.filter(({ name, port }) => name !== '' && name !== '.' && port > 0 && port < 65_536);
  const ordered: SrvRecord[] = [];
  const byPriority = Map.groupBy(usable, ({ priority }) => priority);
  for (const priority of [...byPriority.keys()].sort((a, b) => a - b)) {
    // Those without weight first, so that they have a small chance.
    const left = (byPriority.get(priority) ?? []).toSorted((a, b) => a.weight - b.weight);
    while (left.length > 0) {
      const total = left.reduce((sum, { weight }) => sum + weight, 0);
      let drawn = random.below(total + 1);
      const at = left.findIndex(({ weight }) => (drawn -= weight) <= 0);
      ordered.push(...left.splice(Math.max(0, at), 1));
    }
  }
  return ordered.slice(0, most);
}
