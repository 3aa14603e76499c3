-- One row is one thing that the overlay keeps: a contact, an invite, a setting. kind is enum
-- transport_value of transport/persist.h; key and value are its own encodings.
CREATE TABLE overlay_value (
	kind INTEGER NOT NULL,
	key BLOB NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
