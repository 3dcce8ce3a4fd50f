-- Format 4: links that let guests in. Erased when they end: by use, by expiry, or by hand.

CREATE TABLE link (
    door_secret BLOB PRIMARY KEY CHECK (length(door_secret) = 16),
    key         BLOB NOT NULL CHECK (length(key) = 32),     -- X25519 private key, of this link alone
    secret      BLOB NOT NULL CHECK (length(secret) = 16),
    title       TEXT NOT NULL,
    gateway     TEXT NOT NULL,                              -- PeerId of the bootstrap with the door
    origin      TEXT NOT NULL,
    once        INTEGER NOT NULL,
    knock       INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    expires     INTEGER
) STRICT, WITHOUT ROWID;
ALTER TABLE call ADD COLUMN receipts TEXT;  -- JSON: what bootstraps signed to have released
