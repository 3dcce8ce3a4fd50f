-- Format 3: pictures of people, and what one person sees of us beside what all contacts see (P4).

CREATE TABLE picture (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 16),  -- BLAKE2b-128 of data
    data   BLOB NOT NULL CHECK (length(data) <= 24576)
) STRICT, WITHOUT ROWID;
ALTER TABLE contact ADD COLUMN shown TEXT NOT NULL DEFAULT '{}';  -- JSON: field: shown or not
