import { differing, type Rule } from './queries.ts';

/** Counts of keys and of backups, and what must go with its device. */
export const e2eeRules: readonly Rule[] = [
  {
    sentence: 'Device {device}: {count} one-time keys of {algorithm}: it {problem} in what /sync says',
    exceptions: differing(
      'SELECT device, algorithm, count(*) AS count FROM one_time_key WHERE key IS NOT NULL GROUP BY device, algorithm',
      'SELECT device, json_each.key AS algorithm, json_each.value AS count FROM key_count, json_each(key_count.counts)' +
        ' WHERE json_each.value > 0',
    ),
  },
  {
    sentence: 'Device {device}: the unused fallback key of {algorithm} {problem} in what /sync says',
    exceptions: differing(
      'SELECT device, algorithm FROM fallback_key WHERE used = 0',
      'SELECT device, json_each.value AS algorithm FROM key_count, json_each(key_count.fallback)',
    ),
  },
  {
    sentence: 'Device {device}: it is gone, but not its {what}',
    exceptions: [
      "SELECT device, 'identity keys' AS what FROM device_keys",
      "SELECT device, 'one-time keys' FROM one_time_key",
      "SELECT device, 'fallback keys' FROM fallback_key",
      "SELECT device, 'messages' FROM to_device",
    ]
      .map((select) => `${select} WHERE device NOT IN (SELECT nid FROM device)`)
      .join(' UNION '),
  },
  {
    sentence: 'Backup {version} of user {user}: it counts {count} session keys and has {found}',
    exceptions:
      'SELECT * FROM (SELECT user, version, count, (SELECT count(*) FROM backup_session' +
      ' WHERE backup_session.store = key_backup.store) AS found FROM key_backup WHERE auth_data IS NOT NULL)' +
      ' WHERE count <> found',
  },
];
