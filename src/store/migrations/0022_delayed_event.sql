-- Why a delayed event could not be sent, in words; which event one became; what has ended, user by user.
ALTER TABLE delayed_event ADD COLUMN error TEXT;
CREATE INDEX delayed_event_event ON delayed_event (event) WHERE event IS NOT NULL;
CREATE INDEX delayed_event_of ON delayed_event (user, ended) WHERE ended IS NOT NULL;
