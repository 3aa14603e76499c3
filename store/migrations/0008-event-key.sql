-- Events are found by 8 bytes: the first of their ids' hashes, or of a hash of what else names one.
-- A new event has its own somewhere else in that tree, so writing them with it costs a page each.
-- They are written for many events at a time, and kept in memory until then: of the events whose
-- nid is above keyed.
DROP INDEX event_by_id;
DROP INDEX event_by_txn;
INSERT INTO meta (key, value) VALUES ('keyed', 0);

-- One row is one key of one event, by its id or by its transaction id (event_index.h).
CREATE TABLE event_key (
	key BLOB NOT NULL,
	event INTEGER NOT NULL,
	PRIMARY KEY (key, event)
) STRICT, WITHOUT ROWID;
