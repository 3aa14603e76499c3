/*
 * api: the whole client API over a real store and loop, in process, with services that a test
 * chooses; time and other servers are the test's.
 */
#ifndef KITH_TESTS_API_H
#define KITH_TESTS_API_H

#include "client-api/request.h"
#include "node/json/json.h"
#include "node/user/users.h"
#include "tests/support/store_fixture.h"

struct api_fixture {
	struct store_fixture *store; /* server name here.example */
	struct users *users;
	struct users_options users_options; /* api_restart() takes what is changed */
	char owner_token_path[128];
	struct clock clock;
	int64_t wall_ms;
	uint64_t mono_ms;
	struct api api;
	struct router *router;
	struct arena *arena; /* answers live here */
	char **secrets;      /* every token handed out: the log must hold none */
	size_t n_secrets;
	struct log log;
	struct buf logged; /* every line */
};

/* Registration is open, passwords are cheap. */
int api_up(void **state);
/* Fails if the log holds a token. */
int api_down(void **state);

/* A new struct users (and router) on the same store. */
void api_restart(struct api_fixture *f);

/* One call; body NULL or JSON text. Runs the loop until it is answered. Fails the test unless
 * the answer has that status (0: any) and is JSON. */
const struct json *api_call(struct api_fixture *f, const char *token, int status,
	const char *method, const char *target, const char *body);
/* The same with the target and body formatted. In bodies ' stands for ". */
const struct json *api_callf(struct api_fixture *f, const char *token, int status,
	const char *method, const char *target, const char *body_fmt, ...)
	__attribute__((format(printf, 6, 7)));
struct api_user {
	const char *user_id;
	const char *token;
	const char *device_id;
};
/* Registers name with the password "pw". */
struct api_user api_register(struct api_fixture *f, const char *name);
/* Another device of the user; device_id NULL: a new one. */
struct api_user api_login(struct api_fixture *f, const char *name, const char *device_id);

/* The errcode of an answer. */
const char *api_errcode(struct api_fixture *f, const struct json *answer);
/* Members by name down to the last: NULL if one is missing. */
const struct json *api_at(const struct json *j, ...) __attribute__((sentinel));
/* The same, a string that must be there. */
const char *api_text(struct api_fixture *f, const struct json *j, ...)
	__attribute__((sentinel));
int64_t api_int(const struct json *j, ...) __attribute__((sentinel));

#endif
