import { createInterface } from 'node:readline';
import { CommandFailed, WrongUsage } from './arguments.ts';

/**
 * A new password: a line from standard input if asked for, else typed twice on the terminal, unseen. Never an argument,
 * because every user of the machine can read those.
 */
export async function readNewPassword(fromStdin: boolean): Promise<string> {
  const password = fromStdin ? await readLine() : await askTwice();
  if (password === '') throw new CommandFailed('the password must not be empty', 'bad_input');
  return password;
}

async function readLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  for await (const line of lines) {
    lines.close();
    return line;
  }
  return '';
}

async function askTwice(): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new WrongUsage('there is no terminal to ask for the password; use --password-stdin');
  }
  const first = await ask('Password: ');
  const second = await ask('Once more: ');
  if (first !== second) throw new CommandFailed('the two passwords differ', 'bad_input');
  return first;
}

const keys = { enter: /[\r\n\u0004]/, erase: /[\u0008\u007f]/, interrupt: '\u0003' } as const;

function ask(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stdin.resume();
  return new Promise((resolve, reject) => {
    let typed: string[] = [];
    const finish = (settle: () => void) => {
      stdin.off('data', onData);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
      settle();
    };
    const onData = (data: string) => {
      for (const key of data) {
        if (key === keys.interrupt) return finish(() => reject(new CommandFailed('given up')));
        if (keys.enter.test(key)) return finish(() => resolve(typed.join('')));
        typed = keys.erase.test(key) ? typed.slice(0, -1) : [...typed, key];
      }
    };
    stdin.on('data', onData);
  });
}
