-- What is still to be sent to other servers, and what they sent us.

-- One row is one server that something was sent to. pdu_pos: it has all our events up to here.
-- retry_at: wall time in ms before which it is left alone, 0 for none; interval: the back-off.
CREATE TABLE outbox_destination (
	server INTEGER PRIMARY KEY,
	pdu_pos INTEGER NOT NULL,
	retry_at INTEGER NOT NULL,
	interval INTEGER NOT NULL
) STRICT;

-- One row is one EDU that waits for one server. key: a newer one with it takes its place; NULL
-- for what is kept until it arrives. ts: wall time in ms when it was made.
CREATE TABLE outbox_edu (
	pos INTEGER PRIMARY KEY,
	server INTEGER NOT NULL,
	key TEXT,
	ts INTEGER NOT NULL,
	json TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_edu_server ON outbox_edu (server, pos);
CREATE UNIQUE INDEX outbox_edu_key ON outbox_edu (server, key) WHERE key IS NOT NULL;

-- One row is the last transaction that one device of one server sent us. sequence: 0 for none.
-- response: NULL while not all of it is done.
CREATE TABLE outbox_received (
	origin INTEGER NOT NULL,
	node BLOB NOT NULL,
	sequence INTEGER NOT NULL,
	txn_id TEXT NOT NULL,
	edus_done INTEGER NOT NULL,
	response TEXT,
	ts INTEGER NOT NULL,
	PRIMARY KEY (origin, node)
) STRICT, WITHOUT ROWID;
