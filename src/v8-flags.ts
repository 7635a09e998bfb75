/**
 * Imported before everything else, because V8 takes these flags only while little has been compiled, and because
 * imports are hoisted above statements. They trade some speed for memory that a small board does not have.
 */
import { setFlagsFromString } from 'node:v8';

// Compact code and an eager garbage collector: a third of the unreclaimable memory of an idle server.
setFlagsFromString('--optimize-for-size');
// Maglev compiles on the malloc heap, which never gives all of it back.
setFlagsFromString('--no-maglev');
// The young generation, in MB; the default of 16 is most of a small budget.
setFlagsFromString('--max-semi-space-size=1');

// libuv reads this once, before its pool is first used: password hashes and file work need no more threads.
process.env['UV_THREADPOOL_SIZE'] ??= '4';
