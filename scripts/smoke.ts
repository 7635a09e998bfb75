/**
 * Tries a built executable out: `scripts/smoke.ts build/out/hearth`. One for another kind of machine is run by an emulator,
 * given as further words: `scripts/smoke.ts build/out/hearth-linux-arm64 qemu-aarch64-static -L /usr/aarch64-linux-gnu`.
 */
import { resolve } from 'node:path';
import { smoke } from '../test/support/smoke.ts';

const [executable, ...prefix] = process.argv.slice(2);
if (executable === undefined) throw new Error('the executable has to be named');
await smoke({ executable: resolve(executable), prefix, startsItself: prefix.length === 0 });
console.log(`${executable} does what it should`);
