import unit from '../../../systemd/hearth.service' with { type: 'text' };
import sysusers from '../../../systemd/hearth.sysusers.conf' with { type: 'text' };
import tmpfiles from '../../../systemd/hearth.tmpfiles.conf' with { type: 'text' };

import { type Notaries, notaryLines } from './notaries.ts';

export const executablePath = '/usr/local/bin/hearth';
export const configPath = '/etc/hearth/hearth.toml';
export const serviceName = 'hearth.service';

export const unitPath = '/etc/systemd/system/hearth.service';

interface InstalledFile {
  readonly path: string;
  readonly text: string;
  /** What it is for, as a part of a sentence. */
  readonly purpose: string;
}

/** The files that belong to the system and not to the admin; `budgetMb` is `memory.budget_mb`. */
export function systemFiles(budgetMb: number): readonly InstalledFile[] {
  return [
    { path: '/etc/sysusers.d/hearth.conf', text: sysusers, purpose: 'the user that Hearth runs as' },
    { path: '/etc/tmpfiles.d/hearth.conf', text: tmpfiles, purpose: 'who may read its folders' },
    { path: unitPath, text: unit, purpose: 'the service, kept away from all it does not need' },
    { path: `${unitPath}.d/memory.conf`, text: memoryLimits(budgetMb), purpose: 'limits for its memory' },
  ];
}

/** The budget is what Hearth aims at; half of the limit is the budget if none is set, so that both agree. */
function memoryLimits(budgetMb: number): string {
  return `[Service]\nMemoryHigh=${Math.round(budgetMb * 1.5)}M\nMemoryMax=${budgetMb * 2}M\n`;
}

/** The first configuration of a server. */
export function firstConfig(serverName: string, notaries: Notaries): string {
  return [
    '# The settings of Hearth. "hearth config show" prints all that are in force, "hearth config check" finds mistakes.',
    '# The server name can never be changed once the server has started.',
    `server_name = ${JSON.stringify(serverName)}`,
    ...notaryLines(notaries),
    '',
  ].join('\n');
}
