import type { Command } from 'commander';
import { outputOf, run } from '../session.ts';

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
    .command('purge <room>')
    .description('delete everything that is stored of a room (ID or alias), in the background')
    .option('--leave', 'have all users of this server leave it first')
    .action(async (name: string, options: { leave?: boolean }, command: Command) => {
      const done = await run(command, 'room/purge', { room: name, leave: options.leave ?? false });
      outputOf(command).result(done, `${done.room_id} will be gone in a few minutes.`);
    });

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
