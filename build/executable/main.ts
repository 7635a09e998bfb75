/** The program of the single executable. */
import '../../src/v8-flags.ts';
import { getAsset } from 'node:sea';
import { compileFunction } from 'node:vm';
import { runCommandLine } from '../../src/cli/run.ts';
import { thumbnailRole } from './roles.ts';

// The executable appears twice in front of the arguments, where Node has itself and the script.
if (process.argv[2] === thumbnailRole) {
  // A program of its own, so that the server carries none of its text.
  const program = compileFunction(getAsset('thumbnail.cjs', 'utf8'), ['require', 'module', 'exports']);
  const module = { exports: {} };
  program(require, module, module.exports);
} else {
  void runCommandLine(process.argv.slice(2));
}
