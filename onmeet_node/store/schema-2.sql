-- Format 2: why a call went the way it did, for `history --verbose` (P14).

ALTER TABLE call ADD COLUMN report TEXT   -- JSON: the redacted ICE report; never an address
    CHECK (length(CAST(report AS BLOB)) <= 4096);
ALTER TABLE call ADD COLUMN region TEXT   -- of the relay that carried the media; '' is unknown
    CHECK (region IN ('', 'ca', 'de'));
