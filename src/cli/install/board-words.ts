import type { Config } from '../../config/config.ts';
import type { Board } from '../../config/definition/kinds.ts';
import { count } from '../../governor/room-limits.ts';

/** What this machine has, and what follows from it: how much memory is aimed at, and which rooms can be joined. */
export function boardWords({ memory, limits }: Pick<Config, 'memory' | 'limits'>, board: Board): string {
  const { memoryMb, cores, diskMb } = board;
  const { maxMembers, maxServers, maxStateEvents, maxDiskMb, maxJoinMinutes } = limits.room;
  const disk = diskMb === undefined ? '' : `, a disk of ${count(diskMb)} MB`;
  return [
    `With ${count(memoryMb)} MB of memory${disk} and ${cores === 1 ? 'one core' : `${cores} cores`}:`,
    `  memory   Hearth aims to stay within ${count(memory.budgetMb)} MB (memory.budget_mb)`,
    `  rooms    up to ${count(maxMembers)} members, ${count(maxServers)} servers, ${count(maxStateEvents)} state events,`,
    `           ${count(maxDiskMb)} MB on disk and ${count(maxJoinMinutes)} minutes to take in ([limits.room]); larger ones`,
    '           are refused with a sentence that says so, unless "hearth room exempt add" makes an exception',
  ].join('\n');
}
