import type { StreamPos } from '../store/nids.ts';

/** A point in arrival order: everything up to `pos`. What `/sync` gives and takes. */
export interface SyncToken {
  readonly kind: 'sync';
  readonly epoch: number;
  readonly pos: StreamPos;
  /** How far messages to the device go, if not as far as the rest: there were many. */
  readonly toDevice?: StreamPos;
}

/**
 * A boundary in room order: between `idx` and `idx + 1` of a segment. The same token serves either direction: backwards
 * the next event is `idx`, forwards `idx + 1`.
 */
export interface PageToken {
  readonly kind: 'page';
  readonly epoch: number;
  readonly segment: number;
  readonly idx: number;
}

export type Token = SyncToken | PageToken;

/** `h1_<epoch>_<position>`; with a `d<position>` behind it if messages to the device go only so far. */
export function syncToken(epoch: number, pos: StreamPos, toDevice?: StreamPos): string {
  return toDevice === undefined ? `h1_${epoch}_${pos}` : `h1_${epoch}_${pos}d${toDevice}`;
}

/** `h1p_<epoch>_<segment>_<index>` */
export function pageToken(epoch: number, segment: number, idx: number): string {
  return `h1p_${epoch}_${segment}_${idx}`;
}

const natural = '(0|[1-9][0-9]{0,15})';
const syncForm = new RegExp(`^h1_${natural}_${natural}(?:d${natural})?$`);
const pageForm = new RegExp(`^h1p_${natural}_${natural}_(-?${natural})$`);

/** A token of either form, as every `from`, `to`, `since` and `at` may have it; `undefined` for anything else. */
export function parseToken(text: string): Token | undefined {
  const sync = syncForm.exec(text);
  if (sync !== null) {
    const [epoch, pos, toDevice] = [Number(sync[1]), Number(sync[2]), Number(sync[3] ?? 0)];
    if (!safe(epoch, pos, toDevice)) return undefined;
    const token: SyncToken = { kind: 'sync', epoch, pos: pos as StreamPos };
    return sync[3] === undefined ? token : { ...token, toDevice: toDevice as StreamPos };
  }
  const page = pageForm.exec(text);
  if (page === null) return undefined;
  const [epoch, segment, idx] = [Number(page[1]), Number(page[2]), Number(page[3])];
  return safe(epoch, segment, idx) ? { kind: 'page', epoch, segment, idx } : undefined;
}

/**
 * Whether a token's numbers mean anything here. `older`: given before a restore from backup, positions have since been
 * given out anew, so its holder gets everything in full. `unknown`: never given by this database.
 */
export function tokenAge(token: Token, epoch: number): 'current' | 'older' | 'unknown' {
  if (token.epoch === epoch) return 'current';
  return token.epoch < epoch ? 'older' : 'unknown';
}

function safe(...numbers: number[]): boolean {
  return numbers.every((number) => Number.isSafeInteger(number) && !Object.is(number, -0));
}
