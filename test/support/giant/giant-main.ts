// A process of its own for the giant, so that what it costs is not counted to the server that joins. Its options come as
// JSON in the first argument; it says its port when it is ready, and what it was asked whenever it reads a line.
import { createInterface } from 'node:readline';
import { GiantServer, type GiantServerOptions } from './giant-server.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as GiantServerOptions;
const giant = await GiantServer.listen(options);
process.stdout.write('ready\n');
for await (const _line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(giant.asked)}\n`);
}
giant.close();
