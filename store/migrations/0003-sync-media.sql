-- What sync, receipts, push rules and the content repository remember. Times are milliseconds
-- since 1970; columns named after a room or user hold its nid.

-- One row is how far one user has read: the latest receipt of a type and thread. is_private:
-- m.read.private. thread_id: empty for an unthreaded one. event_pos: of the event in its room's
-- timeline, 0 when we don't have it. pos: when it moved.
CREATE TABLE receipt (
	room INTEGER NOT NULL,
	user INTEGER NOT NULL,
	is_private INTEGER NOT NULL,
	thread_id TEXT NOT NULL,
	event_id TEXT NOT NULL,
	event_pos INTEGER NOT NULL,
	ts INTEGER NOT NULL,
	pos INTEGER NOT NULL,
	PRIMARY KEY (room, user, is_private, thread_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_by_pos ON receipt (pos);
CREATE TRIGGER receipt_room_gone AFTER DELETE ON room BEGIN
	DELETE FROM receipt WHERE room = old.nid;
END;

-- One row is one filter of one user; filter_id follows from json.
CREATE TABLE filter (
	user INTEGER NOT NULL,
	filter_id TEXT NOT NULL,
	json TEXT NOT NULL,
	PRIMARY KEY (user, filter_id)
) STRICT, WITHOUT ROWID;

-- One row is what one user changed about the default push rules, and when.
CREATE TABLE push_rules (
	user INTEGER PRIMARY KEY,
	pos INTEGER NOT NULL,
	json TEXT NOT NULL
) STRICT;

-- One row is one local user's presence as he set it last.
CREATE TABLE presence (
	user INTEGER PRIMARY KEY,
	status_msg TEXT NOT NULL
) STRICT;

-- One row is one file of the content repository. server: empty for our own. hash: names the
-- file; NULL for a reserved id that is not yet filled. user: who made it (ours), or 0. used_ts:
-- when it was last asked for, to about an hour.
CREATE TABLE media (
	server TEXT NOT NULL,
	media_id TEXT NOT NULL,
	hash BLOB,
	size INTEGER NOT NULL,
	content_type TEXT NOT NULL,
	filename TEXT NOT NULL,
	user INTEGER NOT NULL,
	created_ts INTEGER NOT NULL,
	used_ts INTEGER NOT NULL,
	PRIMARY KEY (server, media_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX media_by_hash ON media (hash) WHERE hash IS NOT NULL;
CREATE INDEX media_pending ON media (user) WHERE hash IS NULL;
CREATE INDEX media_cached ON media (used_ts) WHERE server <> '';

-- One row is one thumbnail that was made. hash: names the file, in the thumbnails' folder.
CREATE TABLE media_thumbnail (
	server TEXT NOT NULL,
	media_id TEXT NOT NULL,
	width INTEGER NOT NULL,
	height INTEGER NOT NULL,
	crop INTEGER NOT NULL,
	hash BLOB NOT NULL,
	size INTEGER NOT NULL,
	content_type TEXT NOT NULL,
	used_ts INTEGER NOT NULL,
	PRIMARY KEY (server, media_id, width, height, crop)
) STRICT, WITHOUT ROWID;
CREATE INDEX media_thumbnail_by_hash ON media_thumbnail (hash);
CREATE INDEX media_thumbnail_used ON media_thumbnail (used_ts);
