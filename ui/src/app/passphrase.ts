/** The shortest passphrase that a person may give themselves, here and for a backup. */
export const SHORTEST = 8;
