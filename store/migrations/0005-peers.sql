-- What the overlay keeps: contacts, invites, blocks, identity documents, settings.

-- One row is one value; kind: enum transport_value. Keys and values are the overlay's own
-- encodings.
CREATE TABLE peer (
	kind INTEGER NOT NULL,
	key BLOB NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
