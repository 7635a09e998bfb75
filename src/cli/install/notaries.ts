import { createInterface } from 'node:readline/promises';
import { parseServerName } from '../../protocol/ids/server-name.ts';
import { CommandFailed, WrongUsage } from '../arguments.ts';

/** What an admin has said of notaries: their names, none; or nothing at all. */
export type Notaries = readonly string[] | undefined;

const explanation = [
  'Who sent an event is known by the signing key of its server. Servers that are gone cannot be asked for theirs any more:',
  'what their users once said, and now and then what gave somebody power in a room, is then left out of rooms that are joined',
  'later, and a room whose creator’s server is gone cannot be joined at all. A notary is another server that remembers such',
  'keys. You trust it to say who others are, and it learns which servers you meet. Name one that you trust, such as',
  'your previous homeserver, or matrix.org, which most of the network knows; or none.',
];

/** What `--notary` and `--no-notary` say. Throws `WrongUsage` for what is no server name. */
export function namedNotaries(option: readonly string[] | false | undefined): Notaries {
  if (option === false) return [];
  for (const name of option ?? []) {
    if (parseServerName(name) === undefined) throw new WrongUsage(`--notary: "${name}" is no server name`);
  }
  return option;
}

/** Asks on the terminal; without one nobody is asked, and nothing is decided. */
export async function askForNotaries(
  input: NodeJS.ReadStream = process.stdin,
  output: NodeJS.WriteStream = process.stderr,
): Promise<Notaries> {
  if (!input.isTTY || !output.isTTY) return undefined;
  output.write(`${explanation.join('\n')}\n`);
  const terminal = createInterface({ input, output });
  try {
    for (;;) {
      const names = (await terminal.question('Notaries (names with spaces between, or nothing for none): '))
        .split(/[\s,]+/)
        .filter((name) => name !== '');
      const wrong = names.find((name) => parseServerName(name) === undefined);
      if (wrong === undefined) return names;
      output.write(`"${wrong}" is no server name.\n`);
    }
  } catch (error) {
    // The terminal was closed, or Ctrl-C pressed.
    if (error instanceof Error && error.name === 'AbortError') throw new CommandFailed('given up; nothing was changed');
    throw error;
  } finally {
    terminal.close();
  }
}

/** Their lines in the first configuration. */
export function notaryLines(notaries: Notaries): string[] {
  const about = explanation.map((line) => `# ${line}`);
  if (notaries === undefined) return ['', ...about, '# [federation]', '# notaries = ["matrix.org"]'];
  return ['', ...about, '[federation]', `notaries = [${notaries.map((name) => JSON.stringify(name)).join(', ')}]`];
}

/** For whoever has not been asked. */
export const undecided =
  'No notary is set: keys of servers that are gone cannot be had. See federation.notaries in the configuration, or --notary.';
