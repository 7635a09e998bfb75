/** What Node runs first in the single executable: it starts the program, or the picture helper. */
import '../../src/v8-flags.ts';
import { Buffer } from 'node:buffer';
import { getRawAsset } from 'node:sea';
import { compileFunction, Script } from 'node:vm';
import { thumbnailRole } from './roles.ts';

/** The bundler writes ASCII: so it becomes a string outside of V8's heap, which is never moved or copied. */
const textOf = (asset: string): string => Buffer.from(getRawAsset(asset)).toString('latin1');

// What `top` and `ps` show; else it would be the name of a thread.
process.title = 'hearth';

// The executable appears twice in front of the arguments, where Node has itself and the script.
if (process.argv[2] === thumbnailRole) {
  // A program of its own, so that the server carries none of its text.
  const program = compileFunction(textOf('thumbnail.cjs'), ['require', 'module', 'exports']);
  const module = { exports: {} };
  program(require, module, module.exports);
} else {
  // As a script, not as the body of a function, which is how Node would compile it: there V8 remembers of each inner
  // function what it refers to until all is read, 8 MB for this text that the C heap never gives back.
  Object.defineProperty(globalThis, 'require', { value: require });
  new Script(textOf('program.cjs'), { filename: 'hearth' }).runInThisContext();
}
