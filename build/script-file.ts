import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** What stands before the parts; filled up with spaces, so that the parts' places do not depend on what is told of them. */
const headBytes = 4096;

/**
 * Writes a program for machines that have a Node of their own: a shell script that starts it, with all parts behind the
 * script's end. Nothing of them is read but what is needed: the program itself at the start, an asset when it is used.
 */
export function writeScriptFile(
  target: string,
  folder: string,
  nodeFlags: readonly string[],
  names: readonly string[],
): void {
  const parts = names.map((name) => readFileSync(join(folder, name)));
  const places: Record<string, [at: number, length: number]> = {};
  let end = headBytes;
  for (const [index, part] of parts.entries()) {
    places[names[index] ?? ''] = [end, part.length];
    end += part.length;
  }
  const head = script(nodeFlags, JSON.stringify(places));
  if (Buffer.byteLength(head) > headBytes) throw new Error('the head of the script has grown too long');
  const file = openSync(target, 'w', 0o755);
  try {
    for (const part of [Buffer.from(head.padEnd(headBytes)), ...parts]) {
      for (let at = 0; at < part.length; ) at += writeSync(file, part, at);
    }
  } finally {
    closeSync(file);
  }
}

/** The oldest Node that has all that the program uses. */
const oldestNode = 24;

/** A block of its own: the program is a script, whose names are global. */
const script = (nodeFlags: readonly string[], places: string): string => `#!/bin/sh
# Hearth for 32-bit ARM. It needs Node.js ${oldestNode} of the system; all else is in this file.
command -v node >/dev/null || { echo "Hearth for 32-bit ARM needs Node.js ${oldestNode} or later (the command node), which is not here." >&2; exit 1; }
exec node ${nodeFlags.join(' ')} -e '
{
const { argv, versions, arch } = process;
if (parseInt(versions.node) < ${oldestNode} || arch !== "arm") {
  console.error("This is Hearth for 32-bit ARM. It needs Node.js ${oldestNode} or later for arm; here is " + versions.node + " for " + arch + ".");
  process.exit(1);
}
const fs = require("fs");
const file = fs.realpathSync(argv[1]);
const places = ${places};
const [at, length] = places["main.cjs"];
const text = Buffer.alloc(length);
const fd = fs.openSync(file);
fs.readSync(fd, text, 0, length, at);
fs.closeSync(fd);
process.execPath = file;
require("worker_threads").setEnvironmentData("hearth", { file, places });
const module_ = { exports: {} };
require("vm").compileFunction(text.toString(), ["require", "module", "exports"], { filename: file })(require, module_, module_.exports);
}
' -- "$0" "$@"
`;
