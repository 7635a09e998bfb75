/**
 * Takes symbols and debug information out of a 64-bit ELF file: what no program header maps. A tool for it exists on every
 * machine, but not for every target, and not with the same bytes as outcome.
 */
export function stripElf(file: Buffer): Buffer {
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) throw new Error('not a 64-bit ELF file');
  const table = Number(file.readBigUInt64LE(header.sectionTable));
  const names = file.readUInt16LE(header.nameSection);
  const all = Array.from({ length: file.readUInt16LE(header.sections) }, (_, index) =>
    file.subarray(table + index * sectionSize, table + (index + 1) * sectionSize),
  );
  const isLoaded = (section: Buffer): boolean => (section.readBigUInt64LE(field.flags) & 2n) !== 0n;
  const loaded = all.findLastIndex(isLoaded);
  // Symbols and links name sections by their number, so the kept ones must be the first.
  if (!all.slice(1, loaded + 1).every(isLoaded)) throw new Error('loaded and other sections are mixed');
  const kept = all.slice(0, loaded + 1).map((section) => Buffer.from(section));
  const end = Math.max(endOfSegments(file), ...kept.slice(1).map(endOfSection));

  const oldNames = contents(file, all[names]);
  const { text, offsets } = collectNames([...kept.map((section) => nameOf(oldNames, section)), '.shstrtab']);
  const nameTable = Buffer.alloc(sectionSize);
  nameTable.writeUInt32LE(3, field.type);
  nameTable.writeBigUInt64LE(BigInt(end), field.offset);
  nameTable.writeBigUInt64LE(BigInt(text.length), field.size);
  nameTable.writeBigUInt64LE(1n, field.alignment);
  const sections = [...kept, nameTable];
  for (const [index, section] of sections.entries()) section.writeUInt32LE(offsets[index] ?? 0, field.name);

  const padding = Buffer.alloc((8 - ((end + text.length) % 8)) % 8);
  const stripped = Buffer.concat([file.subarray(0, end), text, padding, ...sections]);
  stripped.writeBigUInt64LE(BigInt(end + text.length + padding.length), header.sectionTable);
  stripped.writeUInt16LE(sections.length, header.sections);
  stripped.writeUInt16LE(sections.length - 1, header.nameSection);
  return stripped;
}

const header = { segmentTable: 0x20, sectionTable: 0x28, segments: 0x38, sections: 0x3c, nameSection: 0x3e } as const;
const field = { name: 0, type: 4, flags: 8, offset: 0x18, size: 0x20, alignment: 0x30 } as const;
const sectionSize = 0x40;
const segmentSize = 0x38;

function endOfSegments(file: Buffer): number {
  const table = Number(file.readBigUInt64LE(header.segmentTable));
  const count = file.readUInt16LE(header.segments);
  let end = table + count * segmentSize;
  for (let index = 0; index < count; index++) {
    const segment = table + index * segmentSize;
    end = Math.max(end, Number(file.readBigUInt64LE(segment + 8)) + Number(file.readBigUInt64LE(segment + 0x20)));
  }
  return end;
}

function endOfSection(section: Buffer): number {
  const takesNoRoom = section.readUInt32LE(field.type) === 8;
  const size = takesNoRoom ? 0 : Number(section.readBigUInt64LE(field.size));
  return Number(section.readBigUInt64LE(field.offset)) + size;
}

function contents(file: Buffer, section: Buffer | undefined): Buffer {
  if (section === undefined) throw new Error('the section names are missing');
  const start = Number(section.readBigUInt64LE(field.offset));
  return file.subarray(start, start + Number(section.readBigUInt64LE(field.size)));
}

function nameOf(names: Buffer, section: Buffer): string {
  const start = section.readUInt32LE(field.name);
  return names.toString('latin1', start, names.indexOf(0, start));
}

function collectNames(names: readonly string[]): { text: Buffer; offsets: number[] } {
  let text = '\0';
  const offsets = names.map((name) => {
    if (name === '') return 0;
    const at = text.length;
    text += `${name}\0`;
    return at;
  });
  return { text: Buffer.from(text, 'latin1'), offsets };
}
