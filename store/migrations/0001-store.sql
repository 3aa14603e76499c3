-- Events, rooms, state and membership. Numbers called nid stand for what repeats; columns that
-- hold one are named after what they mean.

-- One row is one thing that the store itself remembers. 'pos': every position up to this one may
-- have been given away.
CREATE TABLE meta (
	key TEXT PRIMARY KEY,
	value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta (key, value) VALUES ('pos', 0);

-- One row is one string that repeats: an id of a room, user or device, a server name,
-- event type, state key, relation type.
CREATE TABLE name (
	nid INTEGER PRIMARY KEY,
	text TEXT NOT NULL UNIQUE
) STRICT;

-- One row is one room; nid is that of its id's name. partial: known from an invite or knock alone. state_group: that of the
-- current state, where it is one.
CREATE TABLE room (
	nid INTEGER PRIMARY KEY,
	version TEXT NOT NULL,
	partial INTEGER NOT NULL,
	published INTEGER NOT NULL DEFAULT 0,
	state_group INTEGER
) STRICT;

-- One row is one event. event_id: the 32 bytes of its hash, or the whole id as text (room
-- versions 1 and 2). pos: NULL in no timeline. state_after: NULL when it is state_before. auth:
-- the nids of its auth_events, 8 bytes each, big-endian. json: canonical, without unsigned.
CREATE TABLE event (
	nid INTEGER PRIMARY KEY,
	room INTEGER NOT NULL,
	pos INTEGER,
	flags INTEGER NOT NULL,
	type INTEGER NOT NULL,
	sender INTEGER NOT NULL,
	state_key INTEGER,
	depth INTEGER NOT NULL,
	origin_server_ts INTEGER NOT NULL,
	state_before INTEGER,
	state_after INTEGER,
	redacted_by INTEGER,
	device INTEGER,
	txn_id TEXT,
	event_id BLOB NOT NULL,
	auth BLOB NOT NULL,
	json TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_by_id ON event (event_id);
CREATE UNIQUE INDEX event_by_pos ON event (room, pos) WHERE pos IS NOT NULL;
CREATE INDEX event_by_txn ON event (sender, device, txn_id) WHERE txn_id IS NOT NULL;

-- One row is one event that came into the timeline later than it was stored, so that its live
-- position is not its nid.
CREATE TABLE event_promoted (
	pos INTEGER PRIMARY KEY,
	event INTEGER NOT NULL
) STRICT;

-- One row is one ancestor that we don't have, and one event that names it.
CREATE TABLE event_missing (
	event_id BLOB NOT NULL,
	child INTEGER NOT NULL,
	room INTEGER NOT NULL,
	PRIMARY KEY (event_id, child)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_missing_room ON event_missing (room);

-- One row is one event's relation to another, which we may not have.
CREATE TABLE event_relation (
	target BLOB NOT NULL,
	rel_type INTEGER NOT NULL,
	child INTEGER NOT NULL,
	PRIMARY KEY (target, rel_type, child)
) STRICT, WITHOUT ROWID;

-- One row is one accepted redaction of an event that we don't have.
CREATE TABLE event_redaction (
	target BLOB NOT NULL,
	redaction INTEGER NOT NULL,
	PRIMARY KEY (target, redaction)
) STRICT, WITHOUT ROWID;

-- One row is one forward extremity.
CREATE TABLE room_extremity (
	room INTEGER NOT NULL,
	event INTEGER NOT NULL,
	PRIMARY KEY (room, event)
) STRICT, WITHOUT ROWID;

-- One row is one alias of this server.
CREATE TABLE room_alias (
	alias TEXT PRIMARY KEY,
	room INTEGER NOT NULL,
	creator INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX room_alias_room ON room_alias (room);

-- One row is one chain of state groups. Group number: nid * 2^20 + seq. base: the group that
-- its entries differ from; NULL: it begins with a snapshot. tip: the last seq. whole: entries of
-- that snapshot; changed: entries since, in this chain and its bases; depth: bases below.
CREATE TABLE state_chain (
	nid INTEGER PRIMARY KEY,
	room INTEGER NOT NULL,
	base INTEGER,
	tip INTEGER NOT NULL,
	whole INTEGER NOT NULL,
	changed INTEGER NOT NULL,
	depth INTEGER NOT NULL
) STRICT;
CREATE INDEX state_chain_room ON state_chain (room);

-- One row is one entry that became event (0: went away) at seq of its chain.
CREATE TABLE state_entry (
	chain INTEGER NOT NULL,
	type INTEGER NOT NULL,
	state_key INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	event INTEGER NOT NULL,
	PRIMARY KEY (chain, type, state_key, seq)
) STRICT, WITHOUT ROWID;

-- One row is one entry of a room's current state.
CREATE TABLE state_current (
	room INTEGER NOT NULL,
	type INTEGER NOT NULL,
	state_key INTEGER NOT NULL,
	event INTEGER NOT NULL,
	PRIMARY KEY (room, type, state_key)
) STRICT, WITHOUT ROWID;

-- One row is one change of a room's current state. 0: no event.
CREATE TABLE state_delta (
	room INTEGER NOT NULL,
	pos INTEGER NOT NULL,
	type INTEGER NOT NULL,
	state_key INTEGER NOT NULL,
	before INTEGER NOT NULL,
	after INTEGER NOT NULL,
	PRIMARY KEY (room, pos, type, state_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX state_delta_pos ON state_delta (pos);
CREATE INDEX state_delta_key ON state_delta (room, type, state_key, pos);

-- One row is what one user is in one room. membership: enum membership. server: of the user.
-- stripped: what an invite from afar said of the room.
CREATE TABLE membership (
	room INTEGER NOT NULL,
	user INTEGER NOT NULL,
	server INTEGER NOT NULL,
	membership INTEGER NOT NULL,
	event INTEGER NOT NULL,
	pos INTEGER NOT NULL,
	local INTEGER NOT NULL,
	forgotten INTEGER NOT NULL DEFAULT 0,
	stripped TEXT,
	PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX membership_by_user ON membership (user, membership);
CREATE INDEX membership_local ON membership (room) WHERE local = 1;

-- One row is one change of a local user's membership.
CREATE TABLE membership_change (
	user INTEGER NOT NULL,
	pos INTEGER NOT NULL,
	room INTEGER NOT NULL,
	membership INTEGER NOT NULL,
	before INTEGER NOT NULL,
	event INTEGER NOT NULL,
	PRIMARY KEY (user, pos, room)
) STRICT, WITHOUT ROWID;

-- One row is one server with joined members in one room, how many, and since which position.
CREATE TABLE room_server (
	room INTEGER NOT NULL,
	server INTEGER NOT NULL,
	joined INTEGER NOT NULL,
	since INTEGER NOT NULL,
	PRIMARY KEY (room, server)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_server_server ON room_server (server);
