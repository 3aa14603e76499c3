/*
 * event_filter: which events a client wants (client-server API, "Filtering", EventFilter and
 * RoomEventFilter). The same object filters parts of /sync, /messages, /context and /search.
 */
#ifndef KITH_CORE_EVENT_FILTER_H
#define KITH_CORE_EVENT_FILTER_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/str.h"
#include "node/json/json.h"

#include <stdbool.h>
#include <stdint.h>

/* A list that may be absent, which is not the same as an empty one. */
struct filter_list {
	const struct str *items;
	size_t n;
	bool set;
};

struct event_filter {
	bool has_limit;
	int64_t limit; /* 0 is taken too, as other servers do: no events */
	struct filter_list types, not_types; /* '*' stands for any run of characters */
	struct filter_list senders, not_senders;
	struct filter_list rooms, not_rooms;
	struct filter_list related_by_rel_types, related_by_senders;
	enum { FILTER_URL_ANY, FILTER_URL_WITH, FILTER_URL_WITHOUT } contains_url;
	bool lazy_load_members;
	bool include_redundant_members;
	bool unread_thread_notifications;
};

/* obj: the filter's object, or NULL for one that lets everything pass. Strings are borrowed
 * from its tree, arrays are in a. ERR_MALFORMED: a member of the wrong type; ERR_INVALID: an id
 * that is none, or a limit below 0. */
enum err event_filter_parse(struct arena *a, const struct json *obj, struct event_filter *out,
	struct err_ctx *why) MUST_CHECK;

/* Do type, sender and room pass? An empty sender or room is not looked at. */
bool event_filter_match(
	const struct event_filter *f, struct str type, struct str sender, struct str room_id);
/* Does contains_url let it pass? Only when it was given is the content (an object) looked at.
 */
bool event_filter_match_content(const struct event_filter *f, const struct json *content);
bool event_filter_room(const struct event_filter *f, struct str room_id);
/* related_by_rel_types and related_by_senders: does the filter ask for relations, and is one of
 * this kind by this sender among them? */
bool event_filter_has_relations(const struct event_filter *f);
bool event_filter_match_relation(
	const struct event_filter *f, struct str rel_type, struct str sender);
/* True if no event at all can pass: the part need not be read. */
bool event_filter_none(const struct event_filter *f);
/* True if type, sender and content let everything pass (rooms and limit aside). */
bool event_filter_all(const struct event_filter *f);

/* '*' for any run of bytes, everything else as it is; linear in the text. */
bool event_filter_glob(struct str pattern, struct str text);

#endif
