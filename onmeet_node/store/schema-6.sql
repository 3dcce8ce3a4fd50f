-- Format 6: devices. What was a home until now is its person's first device, and holds A.

ALTER TABLE identity RENAME TO former_identity;
CREATE TABLE identity (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    seed    BLOB CHECK (length(seed) = 32),             -- of A; NULL at a linked device
    public  BLOB NOT NULL CHECK (length(public) = 32),  -- A
    device  BLOB NOT NULL CHECK (length(device) = 32),  -- seed of this device's own key
    created INTEGER NOT NULL,
    writer  BLOB NOT NULL CHECK (length(writer) = 32),  -- of entries; of this home and no copy of it
    list    BLOB,                                       -- the newest signed list of devices
    details BLOB,                                       -- what only own devices are told of it
    joins   INTEGER NOT NULL CHECK (joins IN (0, 1))    -- whether it is still to put itself on the list
) STRICT;
INSERT INTO identity
    SELECT one, seed, public_of(seed), fresh_seed(), created, fresh_seed(), NULL, NULL, 1
    FROM former_identity;
DROP TABLE former_identity;

-- The newest list of devices that a contact was seen with: no older one is believed.
CREATE TABLE contact_list (
    identity BLOB PRIMARY KEY REFERENCES contact ON DELETE CASCADE,
    list     BLOB NOT NULL
) STRICT, WITHOUT ROWID;

DELETE FROM device;  -- nobody knows the keys of these yet
ALTER TABLE device ADD COLUMN key BLOB NOT NULL DEFAULT x'';  -- the device's, 32 bytes

-- What a device that does not hold A was lent: with these it publishes, and for no longer.
CREATE TABLE lent_signer (
    secret BLOB NOT NULL CHECK (length(secret) = 16),
    epoch  INTEGER NOT NULL,
    seed   BLOB NOT NULL CHECK (length(seed) = 32),
    signature BLOB NOT NULL CHECK (length(signature) = 64),  -- the certificate's
    PRIMARY KEY (secret, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE lent_pair (
    identity BLOB PRIMARY KEY CHECK (length(identity) = 32),
    secret   BLOB NOT NULL CHECK (length(secret) = 16),
    pair     BLOB NOT NULL CHECK (length(pair) = 32)
) STRICT, WITHOUT ROWID;

-- What own devices keep together: see protocol/own/replica.py. `local` is what was last seen here,
-- or last done here: what is another thing now was changed by the person at this device.
CREATE TABLE kept_entry (
    kind    TEXT NOT NULL,
    key     BLOB NOT NULL,
    value   BLOB,
    counter INTEGER NOT NULL,
    writer  BLOB NOT NULL CHECK (length(writer) = 32),
    local   BLOB,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX kept_entry_written ON kept_entry (writer, counter);
CREATE TABLE kept_vector (
    writer  BLOB PRIMARY KEY CHECK (length(writer) = 32),
    counter INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
