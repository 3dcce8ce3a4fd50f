-- Format 5: by what strangers came, so that none of them, nor one code's holders together, take the
-- room of others; and names by index. same_name and look_of are ours (store/database.py).

ALTER TABLE contact ADD COLUMN audience INTEGER;  -- of ours, by which they came who ask
ALTER TABLE contact ADD COLUMN ignored INTEGER NOT NULL DEFAULT 0;  -- their request was put away
ALTER TABLE contact ADD COLUMN called TEXT NOT NULL DEFAULT '';  -- the shown name, for comparing
ALTER TABLE contact ADD COLUMN looks TEXT NOT NULL DEFAULT '';   -- the same for names that look alike
UPDATE contact SET
    called = same_name(coalesce(name, json_extract(card, '$.name'), '')),
    looks = look_of(coalesce(name, json_extract(card, '$.name'), '')),
    audience = CASE WHEN state = 'requested-by-them' THEN
        (SELECT max(id) FROM audience WHERE kind = 'code' AND label = via) END,
    ignored = EXISTS (SELECT 1 FROM setting, json_each(setting.value)
        WHERE setting.name = 'ignored' AND json_each.value = lower(hex(identity)));
DELETE FROM setting WHERE name = 'ignored';

CREATE INDEX contact_called ON contact (called);
CREATE INDEX contact_looks ON contact (looks);
CREATE INDEX contact_state ON contact (state, granted);
CREATE INDEX contact_shown ON contact (favourite DESC, called);
CREATE INDEX contact_asking ON contact (audience, ignored DESC, added) WHERE state = 'requested-by-them';
CREATE INDEX contact_picture ON contact (json_extract(card, '$.picture'));

ALTER TABLE call ADD COLUMN came_by TEXT;  -- of those who are no contacts: by which code or link
CREATE INDEX call_id ON call (call);
CREATE INDEX call_of_peer ON call (peer, started) WHERE outgoing = 0;
CREATE INDEX call_missed ON call (peer, started) WHERE outgoing = 0 AND answered IS NULL;
CREATE INDEX call_came_by ON call (came_by, peer, started) WHERE came_by IS NOT NULL;
