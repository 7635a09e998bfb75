import assert from 'node:assert/strict';
import type { LiveSystemd } from '../support/servers/live-systemd.ts';

const service = 'hearth.service';

/** What an admin adds: a secret, and a watchdog that a test can wait for. */
const additions = `
mkdir -p /etc/systemd/system/hearth.service.d
printf 'a long secret' > /etc/hearth/registration.secret
chmod 600 /etc/hearth/registration.secret
cat > /etc/systemd/system/hearth.service.d/mine.conf <<'END'
[Service]
WatchdogSec=2s
RestartSec=100ms
LoadCredential=registration.shared_secret:/etc/hearth/registration.secret
END
systemctl daemon-reload
`;

/** The first line of what the server answers, and the last. */
const get = (path: string) => `bash -c '
exec 3<>/dev/tcp/127.0.0.1/8008
printf "GET ${path} HTTP/1.0\\r\\nHost: live.test\\r\\n\\r\\n" >&3
cat <&3'`;

/** Has the executable in `/srv/hearth` live the whole life of a service. */
export async function liveAsService(systemd: LiveSystemd): Promise<void> {
  const pid = () => systemd.property(service, 'MainPID');
  const restarts = () => systemd.property(service, 'NRestarts');
  const journal = () => systemd.run(`journalctl -u ${service} -o cat`);

  await systemd.run('/srv/hearth install --server-name live.test');
  await systemd.run(`systemctl start ${service}`);
  assert.equal(await systemd.property(service, 'StatusText'), 'live.test at 127.0.0.1:8008');
  assert.match(await systemd.run(get('/health')), /^HTTP\/1\.1 200 [^]*"status":"ok"/);
  assert.match(
    await systemd.run('stat -c "%U %a" /var/lib/hearth /etc/hearth/hearth.toml'),
    /^hearth 700\nroot 640\n$/,
  );
  const secret = get('/_synapse/admin/v1/register');
  assert.match(await systemd.run(secret), /^HTTP\/1\.1 400 /);

  await systemd.run(additions);
  await systemd.run(`systemctl restart ${service}`);
  assert.match(await systemd.run(secret), /^HTTP\/1\.1 200 [^]*"nonce"/, 'the credential was read');

  // It lives on while it tells that it does, and is started anew once it hangs.
  const beat = () => systemd.property(service, 'WatchdogTimestampMonotonic');
  for (let last = await beat(), beats = 0; beats < 2; beats++) {
    await systemd.until(async () => (await beat()) !== last);
    last = await beat();
  }
  assert.equal(await restarts(), '0');
  const hanging = await pid();
  await systemd.run(`kill -STOP ${hanging}`);
  await systemd.until(
    async () => (await restarts()) === '1' && (await systemd.property(service, 'SubState')) === 'running',
  );
  assert.match(await systemd.run('journalctl -o cat'), /Watchdog timeout/);
  await systemd.run(`kill -KILL ${await pid()}`);
  await systemd.until(
    async () => (await restarts()) === '2' && (await systemd.property(service, 'SubState')) === 'running',
  );

  await systemd.run(`printf '[log]\\nlevel = "debug"\\n' >> /etc/hearth/hearth.toml && systemctl reload ${service}`);
  await systemd.until(async () => (await journal()).includes('"config.reloaded"'));

  await systemd.run(`systemctl stop ${service}`);
  assert.equal(await systemd.property(service, 'Result'), 'success');
  assert.deepEqual((await systemd.run('ls /var/lib/hearth')).trim().split('\n'), ['hearth.db', 'signing.key', 'tmp']);

  await systemd.run(`systemctl enable ${service} && hearth uninstall`);
  assert.equal(await systemd.property(service, 'LoadState'), 'not-found');
  const left = await systemd.run(
    'find /etc/hearth /etc/systemd/system /usr/local/bin -name "*hearth*" -o -name mine.conf',
  );
  assert.deepEqual(left.trim().split('\n').toSorted(), [
    '/etc/hearth',
    '/etc/hearth/hearth.toml',
    '/etc/systemd/system/hearth.service.d',
    '/etc/systemd/system/hearth.service.d/mine.conf',
  ]);
}
