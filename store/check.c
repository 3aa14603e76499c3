/*
 * kith check's look at a database: SQLite's own, then what must hold between tables.
 */
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "store/db.h"
#include "store/internal.h"
#include "store/migrate.h"
#include "store/sql.h"

/* Each finds rows that must not be; its first column names one of them. */
static const struct {
	const char *finding;
	const char *sql;
} rules[] = {
	{ "an event's room is unknown",
		"SELECT nid FROM event WHERE room NOT IN"
		" (SELECT nid FROM room) LIMIT 3" },
	{ "a number without its name",
		"SELECT e.nid FROM event e LEFT JOIN name t ON t.nid = e.type"
		" LEFT JOIN name s ON s.nid = e.sender WHERE t.nid IS NULL OR s.nid IS NULL "
		"LIMIT 3" },
	{ "a room with live events has no forward extremity",
		"SELECT r.nid FROM room r WHERE EXISTS (SELECT 1 FROM event e WHERE e.room = "
		"r.nid"
		" AND e.pos > 0) AND NOT EXISTS (SELECT 1 FROM room_extremity x WHERE"
		" x.room = r.nid) LIMIT 3" },
	{ "a forward extremity is no event of the timeline",
		"SELECT x.event FROM room_extremity x LEFT JOIN event e ON e.nid = x.event"
		" WHERE e.nid IS NULL OR e.room <> x.room LIMIT 3" },
	{ "an event has a position that was not given out",
		"SELECT nid FROM event WHERE max(nid, coalesce(pos, 0)) >"
		" (SELECT value FROM meta WHERE key = 'pos') LIMIT 3" },
	{ "current state names an event that is not there",
		"SELECT c.event FROM state_current c LEFT JOIN event e ON e.nid = c.event"
		" WHERE e.nid IS NULL OR e.room <> c.room LIMIT 3" },
	{ "a state group names an event that is not there",
		"SELECT s.event FROM state_entry s LEFT JOIN event e ON e.nid = s.event"
		" WHERE s.event <> 0 AND e.nid IS NULL LIMIT 3" },
	{ "a state group's base is not there",
		"SELECT c.nid FROM state_chain c LEFT JOIN state_chain b ON b.nid = c.base >> "
		"20"
		" WHERE c.base IS NOT NULL AND (b.nid IS NULL OR b.tip < c.base & 1048575)"
		" LIMIT 3" },
	{ "an event's state group is not there",
		"SELECT e.nid FROM event e LEFT JOIN state_chain c"
		" ON c.nid = coalesce(e.state_after, e.state_before) >> 20"
		" WHERE e.state_before IS NOT NULL AND (c.nid IS NULL OR"
		" c.tip < coalesce(e.state_after, e.state_before) & 1048575) LIMIT 3" },
	{ "a membership is not what current state says",
		"SELECT m.event FROM membership m JOIN state_current c ON c.room = m.room"
		" AND c.type = (SELECT nid FROM name WHERE text = 'm.room.member')"
		" AND c.state_key = m.user WHERE c.event <> m.event LIMIT 3" },
	{ "an event is not found by its id",
		"SELECT e.nid FROM event e WHERE e.flags & 512 = 0"
		" AND e.nid <= (SELECT value FROM meta WHERE key = 'keyed')"
		" AND NOT EXISTS (SELECT 1 FROM event_key k"
		" WHERE k.key = substr(e.event_id, 1, 8) AND k.event = e.nid) LIMIT 3" },
	{ "a count of joined members is wrong",
		"SELECT s.room FROM room_server s WHERE s.joined <> (SELECT count(*) FROM "
		"membership m"
		" WHERE m.room = s.room AND m.server = s.server AND m.membership = 2) LIMIT "
		"3" },
};

struct report {
	void (*fn)(void *arg, const char *line);
	void *arg;
	bool found;
};

static void say(struct report *r, const char *line)
{
	r->found = true;
	r->fn(r->arg, line);
}

static enum err check_rule(sqlite3 *db, size_t i, struct report *r)
{
	sqlite3_stmt *q;
	int rc = sqlite3_prepare_v2(db, rules[i].sql, -1, &q, NULL);

	if (rc != SQLITE_OK)
		return sql_err(rc);
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		char line[200];

		(void)snprintf(line, sizeof(line), "%s (number %lld)", rules[i].finding,
			(long long)sqlite3_column_int64(q, 0));
		say(r, line);
	}
	sqlite3_finalize(q);
	return sql_err(rc);
}

static enum err check_schema(sqlite3 *db, struct report *r)
{
	int64_t version;
	int64_t id;
	char line[200];
	enum err err = sql_int(db, "PRAGMA user_version", &version);

	if (!err)
		err = sql_int(db, "PRAGMA application_id", &id);
	if (err)
		return err;
	if (id != MIGRATE_APPLICATION_ID) {
		say(r, "this is not a database of kith");
		return ERR_CORRUPT;
	}
	if (version == migrate_latest())
		return ERR_OK;
	(void)snprintf(line, sizeof(line), "its schema is %lld, this kith's is %d%s",
		(long long)version, migrate_latest(),
		version > migrate_latest() ? ": a newer kith wrote it" : ": start it once");
	say(r, line);
	return ERR_CORRUPT;
}

static enum err check_all(sqlite3 *db, struct report *r)
{
	char text[200];
	enum err err = sql_quick_check(db, text, sizeof(text));

	if (err == ERR_CORRUPT) {
		say(r, text);
		return ERR_OK; /* what the tables say means little now */
	}
	if (!err)
		err = check_schema(db, r);
	for (size_t i = 0; !err && i < sizeof(rules) / sizeof(rules[0]); i++)
		err = check_rule(db, i, r);
	return err;
}

enum err store_check(const char *path, void (*fn)(void *arg, const char *line), void *arg)
{
	struct report r = { .fn = fn, .arg = arg };
	struct err_ctx why = { 0 };
	sqlite3 *db;
	enum err err = marker_check(path, false, &why);

	if (err) {
		say(&r, why.text);
		return err;
	}
	err = sql_open(path, SQLITE_OPEN_READWRITE, NULL, &db, &why);
	if (err) {
		say(&r, why.text);
		return err;
	}
	/* The WAL stays as it is found: a running node's, or one for the next start. */
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_busy_timeout(db, 2000);
	err = check_all(db, &r);
	if (err && !r.found)
		say(&r, sqlite3_errmsg(db));
	sqlite3_close(db);
	return r.found ? (err == ERR_IO ? ERR_IO : ERR_CORRUPT) : err;
}
