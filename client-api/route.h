/*
 * route: endpoints as tables (style.md, section 7).
 *
 * One file for each module of the specification holds an array of struct route that ends with
 * a zeroed one; client-api/routes.c lists the arrays. The dispatcher (router.h) does what every
 * endpoint has in common, so that a handler reads typed arguments, calls one service, replies:
 *
 *     const struct route room_routes[] = {
 *         { "sendMessage", "PUT", "/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}",
 *           AUTH_TOKEN, COST_WRITE, send_message, BODY_AUTO, LIMIT_BODY_EVENT },
 *         { 0 },
 *     };
 */
#ifndef KITH_CLIENT_API_ROUTE_H
#define KITH_CLIENT_API_ROUTE_H

#include "node/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct request;

/* Who may call. Without what is asked for the dispatcher answers 401 M_MISSING_TOKEN,
 * 401 M_UNKNOWN_TOKEN or 403 M_GUEST_ACCESS_FORBIDDEN and the handler never runs. */
enum route_auth {
	AUTH_NONE,  /* a token is not even looked at; nothing that identifies is told */
	AUTH_TOKEN, /* an account's token */
	AUTH_TOKEN_OR_GUEST, /* a guest's will do */
	AUTH_OPTIONAL, /* a token is checked if there is one; caller.user_id may be empty */
	/* No token needed, but a web page must not learn from it who lives here: asked from
	 * another origin it needs one (security.md L4: profile, directory, publicRooms). */
	AUTH_UNLESS_LOCAL,
};

/* What a call costs its account or address (security.md T5; limits.h). */
enum route_cost {
	COST_FREE,     /* not counted: versions, long polls (bounded otherwise) */
	COST_READ,     /* generous */
	COST_WRITE,    /* events, to-device, account data: 50 a second, burst 200 */
	COST_INVITE,   /* 20 a minute */
	COST_KEYS,     /* keys, directories, searches: 10 a second */
	COST_LOGIN,    /* counts answers of status 401 and 403: 5 a minute */
	COST_REGISTER, /* counts answers of status 200: 3 an hour */
	COST_COUNT
};

enum route_body {
	/* GET: none. PUT: a JSON object. POST and DELETE: a JSON object, and an empty body is
	 * {}. request.body is then never NULL. */
	BODY_AUTO,
	BODY_NONE,     /* whatever is sent is read and dropped */
	BODY_OBJECT,   /* a JSON object must be there */
	BODY_OPTIONAL, /* a JSON object; an empty body is {} */
	/* The handler runs as soon as the headers are in and takes the bytes as they come:
	 * request_body_start() in request.h. Any Content-Type. */
	BODY_STREAM,
};

/* What a suspended account may do (client-server API, "Account suspension"). */
enum route_suspended {
	SUSPENDED_MAY,     /* read, leave, look after its devices and keys */
	SUSPENDED_MAY_NOT, /* 403 M_USER_SUSPENDED */
};

struct route {
	const char *operation; /* the specification's operationId, or the extension's name */
	const char *method;    /* "GET" also answers HEAD */
	const char *path;      /* {name} matches one segment, before percent-decoding */
	enum route_auth auth;
	enum route_cost cost;
	/* ERR_OK: it has replied, or keeps the request and will. Anything else: it has not and
	 * will not; the dispatcher answers with that error and the text in request.why. */
	enum err (*handler)(struct request *r);
	enum route_body body;
	uint32_t body_limit; /* bytes; 0 is LIMIT_BODY_DEFAULT */
	enum route_suspended suspended;
};

#endif
