import { type Command, InvalidArgumentError } from 'commander';
import type { OutputOf } from '../../admin/operations.ts';
import { parseDuration } from '../../config/definition/kinds.ts';
import { columns, mib } from '../output.ts';
import { outputOf, run } from '../session.ts';
import { whole } from './numbers.ts';

const more = (value: string, before: readonly string[]): string[] => [...before, value];

export function addRoomCommands(program: Command): void {
  const room = program.command('room').description('rooms, and what they cost');

  room
    .command('estimate <room>')
    .description('say what a room would cost this server before anybody joins it (ID or alias)')
    .option('--via <server>', 'a server that is in the room; may be given several times', more, [])
    .action(async (name: string, options: { via: string[] }, command: Command) => {
      const told = await run(command, 'room/estimate', { room: name, via: options.via });
      const verdict = told.above.map(({ limit, words }) => `Joining it is refused: ${words} (limits.room.${limit}).`);
      const words = verdict.length > 0 ? verdict : ['It is within the limits of this server.'];
      outputOf(command).result(told, [`${told.room_id}: ${told.words}.`, ...words].join('\n'));
    });

  room
    .command('ledger')
    .description('say what each room really costs: disk, members, events a day, time of the processor')
    .option('--limit <rooms>', 'how many rooms are shown', whole, 20)
    .action(async (options: { limit: number }, command: Command) => {
      const ledger = await run(command, 'room/ledger', { limit: options.limit });
      outputOf(command).result(ledger, ledgerWords(ledger));
    });

  room
    .command('purge <room>')
    .description('delete everything that is stored of a room (ID or alias), in the background')
    .option('--leave', 'have all users of this server leave it first')
    .action(async (name: string, options: { leave?: boolean }, command: Command) => {
      const done = await run(command, 'room/purge', { room: name, leave: options.leave ?? false });
      outputOf(command).result(done, `${done.room_id} will be gone in a few minutes.`);
    });

  room
    .command('thin <room>')
    .description('delete messages of a room (ID or alias) here that are older than a time; its state stays')
    .requiredOption('--older-than <duration>', 'counted from when they came here (12h, 90d)', age)
    .action(async (name: string, options: { olderThan: number }, command: Command) => {
      const done = await run(command, 'room/thin', { room: name, older_than_ms: options.olderThan });
      outputOf(command).result(done, thinnedWords(done));
    });

  addFillingCommands(room);

  const exempt = room.command('exempt').description('rooms and users that the limits on rooms do not hold for');

  exempt
    .command('add <room-or-user>')
    .description('make an exception for a room (!… or #…) or for one of your users (@…)')
    .action((name: string, _options: unknown, command: Command) => setExempt(command, name, true));

  exempt
    .command('remove <room-or-user>')
    .description('take an exception back')
    .action((name: string, _options: unknown, command: Command) => setExempt(command, name, false));

  exempt
    .command('list')
    .description('list all exceptions')
    .action(async (_options: unknown, command: Command) => {
      const { rooms, users } = await run(command, 'room/exemptions', {});
      const all = [...rooms, ...users];
      outputOf(command).result({ rooms, users }, all.length === 0 ? 'There are no exceptions.' : all.join('\n'));
    });
}

function age(text: string): number {
  const millis = parseDuration(text);
  if (millis === undefined) throw new InvalidArgumentError('A duration such as 12h or 90d is needed.');
  return millis;
}

function thinnedWords({ room_id: room, messages, state_events: states, bytes }: OutputOf<'room/thin'>): string {
  if (messages + states === 0) return `${room} has nothing that old.`;
  const kept =
    states === 0 ? '' : ` ${states} state events of that time are still needed and stay, but not in the history.`;
  return `${messages} messages of ${room} are deleted, whose texts took ${mib(bytes)}.${kept} The file gets smaller within the next days.`;
}

function addFillingCommands(room: Command): void {
  room
    .command('filling')
    .description('list the rooms whose members are not all here yet, and how far they are')
    .action(async (_options: unknown, command: Command) => {
      const { rooms } = await run(command, 'room/filling', {});
      outputOf(command).result(
        { rooms },
        rooms.length === 0 ? 'All rooms have all of their members.' : fillingWords(rooms),
      );
    });

  room
    .command('fill <room>')
    .description('ask for the members of such a room again at once (ID or alias)')
    .action(async (name: string, _options: unknown, command: Command) => {
      const done = await run(command, 'room/fill', { room: name });
      outputOf(command).result(done, `The members of ${done.room_id} are asked for.`);
    });
}

function fillingWords(rooms: OutputOf<'room/filling'>['rooms']): string {
  const rows = rooms.map((room) => [
    room.room_id,
    room.state,
    String(room.events),
    String(room.members),
    String(room.tries),
    room.next_try ?? '',
    room.problem ?? '',
  ]);
  return columns(['ROOM', 'STATE', 'EVENTS', 'FILLED IN', 'FAILED', 'NEXT TRY', 'PROBLEM'], rows);
}

function ledgerWords(ledger: OutputOf<'room/ledger'>): string {
  const rows = ledger.rooms.map((room) => [
    room.room_id,
    mib(room.bytes),
    `${room.share_percent} %`,
    String(room.members),
    String(room.servers),
    String(room.events_per_day),
    `${room.cpu_seconds_per_day} s`,
    String(room.deliveries_per_day),
    String(room.resolutions_per_day),
    room.above.map(({ limit }) => limit).join(' '),
  ]);
  const { rooms, bytes } = ledger.other_rooms;
  const shared = Object.entries(ledger.shared_bytes).map(([kind, size]) => `${kind} ${mib(size)}`);
  return [
    columns(
      ['ROOM', 'DISK', 'SHARE', 'MEMBERS', 'SERVERS', 'EVENTS/DAY', 'CPU/DAY', 'SENT/DAY', 'RESOLVED/DAY', 'ABOVE'],
      rows,
    ),
    `${rooms} other rooms: ${mib(bytes)}. Not of rooms: ${shared.join(', ')}.`,
    `Database ${mib(ledger.file_bytes)}, of which free ${mib(ledger.free_bytes)}.`,
    ...(ledger.words === null ? [] : [`${ledger.words}.`]),
  ].join('\n');
}

async function setExempt(command: Command, name: string, exempt: boolean): Promise<void> {
  const hold = exempt ? 'do not hold' : 'hold';
  if (/^[!#]/.test(name)) {
    const done = await run(command, 'room/exempt', { room: name, exempt });
    outputOf(command).result(done, `The limits on rooms ${hold} for ${done.room_id}.`);
  } else {
    const done = await run(command, 'room/exempt-user', { user: name, exempt });
    outputOf(command).result(done, `The limits on rooms ${hold} for what ${done.user_id} joins.`);
  }
}
