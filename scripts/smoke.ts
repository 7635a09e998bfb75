/**
 * Tries built executables out, each in as empty a place as can be had: `scripts/smoke.ts build/out/hearth-linux-*`. The
 * backup of each is restored by the next. One for another kind of machine is run by qemu, from the Debian package
 * qemu-user-static, with libc6-arm64-cross and libstdc++6-arm64-cross.
 */
import { resolve } from 'node:path';
import { type Machine, machineFor } from '../test/support/servers/machine.ts';
import { smoke } from '../test/support/servers/smoke.ts';

const executables = process.argv.slice(2).map((name) => resolve(name));
if (executables.length === 0) throw new Error('the executables have to be named');
for (const [index, executable] of executables.entries()) {
  using machine = required(executable);
  using other = required(executables[(index + 1) % executables.length] ?? executable);
  await smoke(machine, other);
  console.log(`${executable} does what it should ${machine.words}, its backup restored on ${other.arch}`);
}

function required(executable: string): Machine {
  const machine = machineFor(executable);
  if (machine === undefined) throw new Error(`${executable} cannot be run here: see the head of this file`);
  return machine;
}
