import { CommandFailed } from './arguments.ts';

/** The licences of everything that is inside the executable, or the list of it; throws `CommandFailed` if this is none. */
export function embeddedText(name: 'licences' | 'sbom'): string {
  const what = name === 'licences' ? 'licences' : 'list of parts';
  throw new CommandFailed(
    `Only the built executable carries its ${what}. This runs from files: look beside each package.`,
    'not_embedded',
  );
}
