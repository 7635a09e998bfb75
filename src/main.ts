import './v8-flags.ts';
import { runCommandLine } from './cli/run.ts';

void runCommandLine(process.argv.slice(2));
