import { InvalidArgumentError } from 'commander';

/** Reads an argument or the value of an option. Throws what commander says in its own words: called wrongly. */
export function whole(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('A whole number above 0 is needed.');
  return Number(text);
}
