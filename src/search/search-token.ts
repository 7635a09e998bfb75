import { invalidParam } from '../protocol/errors.ts';

export type Order = 'rank' | 'recent';
export type GroupKey = 'room_id' | 'sender';

/** Where a search goes on. */
export interface SearchPlace {
  readonly order: Order;
  /** Only events older than this one: what is said meanwhile moves nothing. */
  readonly before: number;
  /** Matches from there on that were shown. */
  readonly skip: number;
  /** Matches that were counted before. */
  readonly counted: number;
  /** Only one group of the results: a room's or a sender's number. */
  readonly group: { readonly key: GroupKey; readonly nid: number } | undefined;
}

export function placeText({ order, before, skip, counted, group }: SearchPlace): string {
  const only = group === undefined ? '' : `_${group.key === 'room_id' ? 'r' : 's'}${group.nid}`;
  return `f${order === 'rank' ? 'k' : 't'}${before}_${skip}_${counted}${only}`;
}

/** 400 M_INVALID_PARAM for what is no token, or one of another order. */
export function parsePlace(text: string, order: Order): SearchPlace {
  const [, way, before, skip, counted, kind, nid] =
    /^f([kt])(\d{1,16})_(\d{1,9})_(\d{1,9})(?:_([rs])(\d{1,15}))?$/.exec(text) ?? [];
  if (before === undefined) throw invalidParam('next_batch is not a token of this server');
  if ((way === 'k') !== (order === 'rank')) throw invalidParam('next_batch is a token of another order');
  return {
    order,
    before: Number(before),
    skip: Number(skip),
    counted: Number(counted),
    group: kind === undefined ? undefined : { key: kind === 'r' ? 'room_id' : 'sender', nid: Number(nid) },
  };
}
