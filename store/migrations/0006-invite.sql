-- One row is one invite of ours for a user of another server that could not be told of it yet.
CREATE TABLE invite_waiting (
	server INTEGER NOT NULL,
	event INTEGER NOT NULL,
	PRIMARY KEY (server, event)
) STRICT, WITHOUT ROWID;
