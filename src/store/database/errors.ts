/** The database was written by a newer release that this one does not understand. The message is for the admin. */
export class StoreTooNew extends Error {
  override readonly name = 'StoreTooNew';
}

/** The file is a database of some other program. The message is for the admin. */
export class NotOurDatabase extends Error {
  override readonly name = 'NotOurDatabase';
}

/**
 * The disk refused to make a commit safe. What was written since the last success may be lost at the next power cut,
 * and the kernel reports such a failure only once: from here on nothing is answered any more, the process must end.
 */
export class DurabilityLost extends Error {
  override readonly name = 'DurabilityLost';
}
