/** The program of the single executable, without V8's flags: they are set before it is read. */
import { runCommandLine } from '../../src/cli/run.ts';

void runCommandLine(process.argv.slice(2));
