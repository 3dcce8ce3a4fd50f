-- Format 1. Times are Unix seconds, identities 32-byte Ed25519 public keys, flags 0 or 1.
-- STRICT: a value of the wrong type is refused here rather than found later.

CREATE TABLE identity (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    seed    BLOB NOT NULL CHECK (length(seed) = 32),
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE contact (
    identity       BLOB PRIMARY KEY CHECK (length(identity) = 32),
    name           TEXT,                     -- what the person here calls them
    card           TEXT NOT NULL,            -- JSON: what they last showed of themselves
    state          TEXT NOT NULL,
    secret         BLOB CHECK (length(secret) = 16),  -- finds their presence record
    via            TEXT,                     -- label of the code they came by
    may_see_direct INTEGER NOT NULL,
    verified       INTEGER NOT NULL,
    favourite      INTEGER NOT NULL,
    granted        INTEGER,                  -- audience whose secret they have from us
    added          INTEGER NOT NULL,
    last_seen      INTEGER
) STRICT, WITHOUT ROWID;

-- Where a contact was last found: lets a redial skip the lookup.
CREATE TABLE device (
    identity  BLOB NOT NULL REFERENCES contact ON DELETE CASCADE,
    device    TEXT NOT NULL,                 -- PeerId
    addresses TEXT NOT NULL,                 -- JSON list of multiaddrs
    expires   INTEGER NOT NULL,
    PRIMARY KEY (identity, device)
) STRICT, WITHOUT ROWID;

-- A caller chooses the call id, so only (peer, call) names one: nobody overwrites another's calls.
CREATE TABLE call (
    peer     BLOB NOT NULL CHECK (length(peer) = 32),
    call     BLOB NOT NULL CHECK (length(call) = 16),
    outgoing INTEGER NOT NULL,
    kinds    TEXT NOT NULL,                  -- joined by commas
    started  INTEGER NOT NULL,
    answered INTEGER,
    ended    INTEGER,
    reason   TEXT,
    path     TEXT,
    sas      TEXT,
    note     TEXT,
    seen     INTEGER NOT NULL,
    PRIMARY KEY (peer, call)
) STRICT, WITHOUT ROWID;
CREATE INDEX call_started ON call (started);

CREATE TABLE audience (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL,
    label   TEXT NOT NULL,
    secret  BLOB NOT NULL,                   -- 16 bytes; emptied when revoked
    expires INTEGER,
    direct  INTEGER NOT NULL,
    revoked INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    peer    BLOB NOT NULL CHECK (length(peer) = 32),
    ref     BLOB NOT NULL,                   -- what the receipt will name: a call id
    message BLOB NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    UNIQUE (peer, ref)
) STRICT;

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL                      -- JSON
) STRICT, WITHOUT ROWID;
