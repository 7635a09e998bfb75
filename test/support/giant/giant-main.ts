// A process of its own for the giant, so that what it costs is not counted to the server that joins. Its options come as
// JSON in the first argument; it says when it is ready, and what it was asked whenever it reads a line. A line with a number
// silences the servers from that one on.
import { createInterface } from 'node:readline';
import { GiantServer, type GiantServerOptions } from './giant-server.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as GiantServerOptions;
const giant = await GiantServer.listen(options);
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== '') giant.silence(Number(line));
  process.stdout.write(`${JSON.stringify(giant.asked)}\n`);
}
giant.close();
