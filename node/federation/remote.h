/*
 * remote: one question to another server, and its one answer.
 *
 * Turns transport's answer into what callers act on: ERR_OK with the body of a 200;
 * ERR_FORBIDDEN, ERR_NOT_FOUND, ERR_LIMIT for 403, 404, 429; ERR_INVALID for other 4xx;
 * ERR_UNREACHABLE for 5xx and when nobody answered; ERR_TIMEOUT.
 */
#ifndef KITH_FEDERATION_REMOTE_H
#define KITH_FEDERATION_REMOTE_H

#include "node/federation/parts.h"
#include "transport/transport.h"

struct remote_answer {
	enum err err;
	struct str body;           /* of an error too, if there was one */
	uint64_t retry_after_ms;   /* 0: not said */
	const struct acked *acked; /* what of our outbox is committed there; NULL: not said */
	struct err_ctx why;        /* the other server's errcode and text, or what went wrong */
};

struct remote_question {
	struct str server;
	enum transport_method method;
	struct str path; /* with query, encoded */
	struct str body; /* JSON or empty */
	uint64_t sequence;
	uint64_t deadline_ms; /* 0: 30 s */
	enum transport_class class;
	/* Once, from the loop, never before remote_ask() returned. answer is borrowed. */
	void (*done)(void *arg, const struct remote_answer *answer);
	/* Optional: the body of a 200 in pieces, as it comes; false: hold (transport.h). */
	bool (*piece)(void *arg, struct str bytes);
	void *arg;
};

/* Copies what it needs of q. The handle is for transport_call_consumed(), until done(); NULL
 * after federation_stop(), when the answer is ERR_CANCELLED. */
struct transport_call *remote_ask(struct federation *f, const struct remote_question *q);

/* The status and body of an answer as an error, for who uses transport directly. */
enum err remote_status(unsigned status, struct str body, struct err_ctx *why);

/* Of an error of transport. */
enum err remote_failure(enum err err, const char *text, struct err_ctx *why);

#endif
