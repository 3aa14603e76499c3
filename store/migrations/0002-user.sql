-- What belongs to the accounts of this node. Times are milliseconds since 1970. An account and a
-- device are named by integers (nid) everywhere below, and their rows are deleted together.

-- One row is one local account. It stays after deactivation, so that the name is not given again.
CREATE TABLE account (
	nid INTEGER PRIMARY KEY,
	user_id TEXT NOT NULL UNIQUE,
	password TEXT, -- crypto_pwhash_str; NULL: no password login
	is_admin INTEGER NOT NULL DEFAULT 0,
	is_locked INTEGER NOT NULL DEFAULT 0,
	is_suspended INTEGER NOT NULL DEFAULT 0,
	is_deactivated INTEGER NOT NULL DEFAULT 0,
	created_ts INTEGER NOT NULL
) STRICT;

-- One row is one device of an account.
CREATE TABLE device (
	nid INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: tokens of sync name it
	account INTEGER NOT NULL REFERENCES account,
	device_id TEXT NOT NULL,
	display_name TEXT,
	last_seen_ts INTEGER NOT NULL DEFAULT 0,
	last_seen_address TEXT,
	device_keys TEXT, -- canonical JSON as uploaded, with the signatures added since
	UNIQUE (account, device_id)
) STRICT;

-- One row is one login: an access token and perhaps a refresh token, as BLAKE2b hashes. A
-- refresh makes a new row that names the old one until it is used for the first time.
CREATE TABLE session (
	nid INTEGER PRIMARY KEY AUTOINCREMENT,
	account INTEGER NOT NULL REFERENCES account,
	device INTEGER NOT NULL REFERENCES device,
	access_hash BLOB NOT NULL UNIQUE,
	expires_ts INTEGER NOT NULL DEFAULT 0, -- 0: never
	refresh_hash BLOB UNIQUE,
	previous INTEGER NOT NULL DEFAULT 0 -- session that ends at the first use of this one
) STRICT;
CREATE INDEX session_device ON session (device);
CREATE INDEX session_account ON session (account);
CREATE INDEX session_previous ON session (previous) WHERE previous <> 0;

-- One row is one token that lets people register.
CREATE TABLE registration_token (
	token TEXT PRIMARY KEY,
	uses_left INTEGER NOT NULL, -- below 0: any number
	expires_ts INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- One row is one token by which a third party may learn who somebody is.
CREATE TABLE openid_token (
	hash BLOB PRIMARY KEY,
	account INTEGER NOT NULL REFERENCES account,
	expires_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX openid_token_account ON openid_token (account);

-- One row is one field of a local user's profile.
CREATE TABLE profile (
	account INTEGER NOT NULL REFERENCES account,
	field TEXT NOT NULL,
	value TEXT NOT NULL, -- JSON
	PRIMARY KEY (account, field)
) STRICT, WITHOUT ROWID;

-- One row is one item of account data.
CREATE TABLE account_data (
	account INTEGER NOT NULL REFERENCES account,
	room_id TEXT NOT NULL, -- empty: global
	type TEXT NOT NULL,
	pos INTEGER NOT NULL,
	content TEXT NOT NULL, -- JSON
	PRIMARY KEY (account, room_id, type)
) STRICT;
CREATE INDEX account_data_pos ON account_data (account, pos);

-- One row is one unclaimed one-time key; they are given out in the order of seq.
CREATE TABLE one_time_key (
	seq INTEGER PRIMARY KEY,
	device INTEGER NOT NULL REFERENCES device,
	algorithm TEXT NOT NULL,
	key_id TEXT NOT NULL,
	json TEXT NOT NULL
) STRICT;
CREATE INDEX one_time_key_device ON one_time_key (device, algorithm);

-- One row is the fallback key of a device for an algorithm.
CREATE TABLE fallback_key (
	device INTEGER NOT NULL REFERENCES device,
	algorithm TEXT NOT NULL,
	key_id TEXT NOT NULL,
	json TEXT NOT NULL,
	is_used INTEGER NOT NULL,
	PRIMARY KEY (device, algorithm)
) STRICT;

-- One row is a cross-signing key of a user, ours or one whose devices we keep track of.
CREATE TABLE cross_signing_key (
	user_id TEXT NOT NULL,
	usage TEXT NOT NULL, -- master, self_signing, user_signing
	key_id TEXT NOT NULL, -- the public key, without the algorithm
	json TEXT NOT NULL,
	PRIMARY KEY (user_id, usage)
) STRICT;

-- One row is a signature that one of our users made with the user-signing key on somebody else's
-- master key. Nobody else is shown it.
CREATE TABLE user_signature (
	account INTEGER NOT NULL REFERENCES account,
	user_id TEXT NOT NULL, -- whose master key
	master_key TEXT NOT NULL, -- key_id of it
	key_id TEXT NOT NULL, -- what signed, with the algorithm
	signature TEXT NOT NULL,
	pos INTEGER NOT NULL, -- when it was made
	PRIMARY KEY (account, user_id, master_key, key_id)
) STRICT;

-- One row is one version of a user's backup of room keys.
CREATE TABLE backup (
	account INTEGER NOT NULL REFERENCES account,
	version INTEGER NOT NULL,
	algorithm TEXT NOT NULL,
	auth_data TEXT NOT NULL, -- JSON
	etag INTEGER NOT NULL DEFAULT 0,
	is_deleted INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (account, version)
) STRICT;

-- One row is one session's key in a backup.
CREATE TABLE backup_key (
	account INTEGER NOT NULL REFERENCES account,
	version INTEGER NOT NULL,
	room_id TEXT NOT NULL,
	session_id TEXT NOT NULL,
	first_message_index INTEGER NOT NULL,
	forwarded_count INTEGER NOT NULL,
	is_verified INTEGER NOT NULL,
	session_data TEXT NOT NULL, -- JSON
	PRIMARY KEY (account, version, room_id, session_id)
) STRICT;

-- One row is a message waiting for a device of ours.
CREATE TABLE to_device (
	pos INTEGER PRIMARY KEY,
	device INTEGER NOT NULL REFERENCES device,
	origin TEXT NOT NULL, -- server it came from; empty: ours
	json TEXT NOT NULL
) STRICT;
CREATE INDEX to_device_device ON to_device (device);

-- One row is a transaction id under which a device of ours sent to-device messages.
CREATE TABLE to_device_txn (
	device INTEGER NOT NULL REFERENCES device,
	type TEXT NOT NULL,
	txn_id TEXT NOT NULL,
	ts INTEGER NOT NULL,
	PRIMARY KEY (device, type, txn_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX to_device_txn_ts ON to_device_txn (ts);

-- One row is a message id under which another server sent us to-device messages.
CREATE TABLE to_device_received (
	origin TEXT NOT NULL,
	message_id TEXT NOT NULL,
	ts INTEGER NOT NULL,
	PRIMARY KEY (origin, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX to_device_received_ts ON to_device_received (ts);

-- One row is the last time that a user's devices or their keys changed, as a stream position.
-- stream_id: that of the last m.device_list_update of a user of ours, 0 for others.
CREATE TABLE device_list (
	user_id TEXT PRIMARY KEY,
	pos INTEGER NOT NULL,
	stream_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_list_pos ON device_list (pos);

-- One row is another server's user whose devices we keep track of.
CREATE TABLE remote_user (
	user_id TEXT PRIMARY KEY,
	stream_id INTEGER NOT NULL, -- of the last update that was taken
	is_stale INTEGER NOT NULL -- 1: to be asked for anew
) STRICT, WITHOUT ROWID;

-- One row is one device of such a user.
CREATE TABLE remote_device (
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	display_name TEXT,
	device_keys TEXT, -- JSON as the other server gave it
	PRIMARY KEY (user_id, device_id)
) STRICT;
