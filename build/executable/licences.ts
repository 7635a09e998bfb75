/** Stands in for `src/cli/licences.ts`: the texts come from inside the executable. */
import { getAsset } from 'node:sea';

export function embeddedText(name: 'licences' | 'sbom'): string {
  return getAsset(name === 'licences' ? 'licences.txt' : 'sbom.json', 'utf8');
}
