// Run in a network namespace of its own, where all names of the giant's servers lead to this machine and everything else
// does not exist: a Synapse joins a room that was made for tests. Prints what came of it as JSON.
import { createSocket } from 'node:dgram';
import { startGiant } from '../../scripts/bench/giant-process.ts';
import { Person } from '../support/clients/person.ts';
import { type GiantShape, giantRoom, readGiant } from '../support/giant/giant-room.ts';
import { ThrowAwayCa } from '../support/throw-away-ca.ts';
import { SynapseProcess } from './synapse-process.ts';

const shape = JSON.parse(process.argv[2] ?? '{}') as GiantShape;
const noSuchName = 0x81_83;
const names = createSocket('udp4');
names.on('message', (question, from) => {
  question.writeUInt16BE(noSuchName, 2);
  names.send(question, from.port, from.address);
});
names.bind(53, '127.0.0.1');

const ca = await ThrowAwayCa.create();
const issued = await ca.issue('giant.test', '*.giant.test');
const folder = giantRoom(shape);
const giant = await startGiant({ folder, port: 8448, ...issued, canOmitMembers: false });
const synapse = await SynapseProcess.start(ca, '127.0.0.1:8500', 8500);
try {
  const sven = await Person.register(synapse.port, 'sven');
  const room = encodeURIComponent(readGiant(folder).roomId);
  await sven.call('POST', `/_matrix/client/v3/join/${room}?via=giant.test`, {});
  const { joined } = await sven.call('GET', `/_matrix/client/v3/rooms/${room}/joined_members`);
  sven.close();
  process.stdout.write(JSON.stringify({ members: Object.keys(joined as object).length }));
} finally {
  await synapse.remove();
  giant.removeAllListeners('exit');
  giant.kill();
  names.close();
}
