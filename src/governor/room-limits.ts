import type { Config } from '../config/config.ts';
import type { Figure, RoomEstimate } from './room-model.ts';

export type RoomLimitSettings = Config['limits']['room'];

/** The name of a limit, as the configuration has it. */
export type LimitName = 'max_members' | 'max_servers' | 'max_state_events' | 'max_disk_mb' | 'max_join_minutes';

/** A limit, and what is above it. */
export interface Excess {
  readonly limit: LimitName;
  readonly allowed: number;
  readonly value: number;
}

/** What is held against the limits; what is not known is within them. */
export type Measured = { readonly [K in keyof RoomEstimate]?: number };

const measures = [
  ['max_members', 'maxMembers', 'members'],
  ['max_servers', 'maxServers', 'servers'],
  ['max_state_events', 'maxStateEvents', 'stateEvents'],
  ['max_disk_mb', 'maxDiskMb', 'diskMb'],
  ['max_join_minutes', 'maxJoinMinutes', 'joinMinutes'],
] as const satisfies readonly (readonly [LimitName, keyof RoomLimitSettings, keyof RoomEstimate])[];

/** All limits that a room is above, in the order of the configuration. */
export function excesses(measured: Measured, limits: RoomLimitSettings): Excess[] {
  return measures.flatMap(([limit, setting, figure]) => {
    const value = measured[figure];
    const allowed = limits[setting];
    return value !== undefined && value > allowed ? [{ limit, allowed, value }] : [];
  });
}

/**
 * What an estimate says against a join. Servers are not held against it where their number is only guessed; all else
 * that is guessed follows from something that was told.
 */
export function measuredOf(estimate: RoomEstimate): Measured {
  const { members, servers, stateEvents, diskMb, joinMinutes } = estimate;
  return {
    members: members.value,
    ...(servers.sure === 'guessed' ? {} : { servers: servers.value }),
    stateEvents: stateEvents.value,
    diskMb: diskMb.value,
    joinMinutes: joinMinutes.value,
  };
}

/** `82,000 members, and at most 50,000 are allowed here`. */
export function excessWords({ limit, allowed, value }: Excess): string {
  const most = count(allowed);
  const is = count(value);
  switch (limit) {
    case 'max_members':
      return `${is} members, and at most ${most} are allowed here`;
    case 'max_servers':
      return `${is} servers, and at most ${most} are allowed here`;
    case 'max_state_events':
      return `${is} state events, and at most ${most} are allowed here`;
    case 'max_disk_mb':
      return `${is} MB on disk, and at most ${most} MB are allowed here`;
    case 'max_join_minutes':
      return `${is} minutes to take it in, and at most ${most} are allowed here`;
  }
}

/** `12,000 members on 900 servers, about 11 MB on disk, 3 minutes to take it in, 700 messages a day`. */
export function estimateWords(estimate: RoomEstimate): string {
  const { members, servers, stateEvents, diskMb, joinMinutes, messagesPerDay } = estimate;
  return [
    `${about(members, 'member')} on ${about(servers, 'server')}`,
    about(stateEvents, 'state event'),
    `about ${count(diskMb.value)} MB on disk`,
    `${minutesWords(joinMinutes.value)} to take it in`,
    `${about(messagesPerDay, 'message')} a day`,
  ].join(', ');
}

const about = ({ value, sure }: Figure, what: string): string =>
  `${sure === 'guessed' ? 'about ' : ''}${numbered(value, what)}`;

const numbered = (value: number, what: string): string => `${count(value)} ${what}${value === 1 ? '' : 's'}`;

export function minutesWords(minutes: number): string {
  const isShort = minutes < 1;
  return `about ${numbered(Math.max(1, Math.round(isShort ? minutes * 60 : minutes)), isShort ? 'second' : 'minute')}`;
}

export function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 2 : 0 });
}
