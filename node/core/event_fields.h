/*
 * event_fields: which fields of events a client wants (client-server API, "Filtering",
 * event_fields; appendices, "Dot-separated property paths").
 */
#ifndef KITH_CORE_EVENT_FIELDS_H
#define KITH_CORE_EVENT_FIELDS_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/json/json.h"

/* A path that was taken apart. */
struct event_field {
	const struct str *keys;
	size_t n;
};

/* set false: all fields are wanted. */
struct event_fields {
	const struct event_field *fields;
	size_t n;
	bool set;
};

/* list: an array, or NULL. Past EVENT_FIELDS_MAX paths all fields are wanted, which the
 * specification allows. In a. ERR_MALFORMED: not all of it are strings. */
#define EVENT_FIELDS_MAX 200
enum err event_fields_parse(struct arena *a, const struct json *list, struct event_fields *out,
	struct err_ctx *why) MUST_CHECK;

/* Writes what is wanted of an event, an object. */
void event_fields_put(const struct event_fields *f, const struct json *event, struct jw *w);

#endif
