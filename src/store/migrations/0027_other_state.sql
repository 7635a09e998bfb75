-- What a room's state holds besides its members is read for every first /sync that loads members lazily, every join
-- without members and every context: without a look at the members, who may be 40,000.
ALTER TABLE current_state ADD COLUMN other INTEGER;  -- 1: no member event

UPDATE current_state SET other = 1
 WHERE key NOT IN (SELECT nid FROM state_key WHERE type = (SELECT nid FROM event_type WHERE name = 'm.room.member'));

CREATE INDEX current_state_other ON current_state (room, key) WHERE other = 1;
