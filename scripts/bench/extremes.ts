import { type Extreme, type ExtremeOutcome, goToExtremes } from '../../test/support/giant/extreme.ts';

/** All of the process may take so much. */
export const limitMib = 256;

const few = { members: 10, servers: 5, version: '10' } as const;

/** What rooms can be at their worst. */
export const extremes: readonly (readonly [what: string, room: Extreme, toml?: string])[] = [
  ['20,000 bans', { ...few, servers: 500, odd: { kind: 'bans', count: 20_000 } }],
  ['a chain of 5,000 power levels', { ...few, odd: { kind: 'power', count: 5000 } }],
  ['2,000 forward extremities', { ...few, forks: 2000 }],
  ['100,000 state events of unknown types', { ...few, odd: { kind: 'types', count: 100_000 } }],
  [
    'the same, with the limit of half of them',
    { ...few, odd: { kind: 'types', count: 100_000 } },
    'max_state_events = 50000',
  ],
  ['3,000 state events of 64 KB', { ...few, odd: { kind: 'large', count: 3000 } }],
  [
    '3,000 servers, of which 1,500 never answer',
    { ...few, members: 6000, servers: 3000, silentFrom: 1500 },
    'max_servers = 5000',
  ],
  [
    'so many servers, and no notary',
    { ...few, members: 6000, servers: 3000, silentFrom: 1500, hasNotary: false },
    'max_servers = 5000',
  ],
  ['so many servers, with the limits of such a board', { ...few, members: 6000, servers: 3000, silentFrom: 1500 }],
  ['40,000 members on 500 servers', { members: 40_000, servers: 500, version: '10' }, 'max_members = 100000'],
  ['so many members, with the limits of such a board', { members: 40_000, servers: 500, version: '10' }],
];

/** One of them, in a control group of 256 MB. */
export function extreme(
  room: Extreme,
  limits: string | undefined,
  options: { readonly executable?: string; readonly prefix: readonly string[] },
): Promise<ExtremeOutcome> {
  const toml = limits === undefined ? {} : { toml: `[limits.room]\n${limits}\n` };
  return goToExtremes(room, { ...options, ...toml, limitMib });
}

/** What became of it, in words. */
export function verdict({ status, answer, killed }: ExtremeOutcome): string {
  if (killed) return 'KILLED';
  if (status === 200) return 'joined';
  const error = typeof answer['error'] === 'string' ? answer['error'] : '';
  return `refused: ${/it has (.*?)\./.exec(error)?.[1] ?? error}`;
}
