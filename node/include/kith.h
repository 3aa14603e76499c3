/*
 * kith.h: the public interface of libkith, a Matrix homeserver for a person's own device.
 *
 * An app embeds a node by six calls: kith_config_new(), kith_config_set() for what it wants to
 * be different, kith_open(), kith_start(), kith_run() on a thread of its own, kith_close(). The
 * `kith` program is written against this header alone.
 *
 * Threads. A node belongs to the thread that runs kith_run(); before that to the thread that
 * opened it. Callbacks come on that thread and must not block it. What other threads may call
 * says so. Two nodes may live in one process, each with a data directory of its own.
 *
 * Errors. Functions that can fail return enum kith_status; KITH_OK is 0. Where a struct
 * kith_error is taken (it may be NULL) it gets a sentence for a person.
 *
 * Strings are NUL-terminated UTF-8. What is passed in is copied or used during the call alone;
 * what comes out in a callback is valid during the callback. What is returned as char * or
 * through char ** is the caller's: kith_string_free().
 */
#ifndef KITH_H
#define KITH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#	define KITH_API __attribute__((visibility("default")))
#else
#	define KITH_API
#endif

/* Also the exit codes of the `kith` program. */
enum kith_status {
	KITH_OK = 0,
	KITH_ERROR = 1,       /* anything that has no number of its own */
	KITH_USAGE = 2,       /* an unknown name, a value not allowed, a malformed invite */
	KITH_NO_IDENTITY = 3, /* the data directory holds no node */
	KITH_DAMAGED = 4,     /* a key or the database can't be read; nothing was changed */
	KITH_LOCKED = 5,      /* another process has the data directory open */
	KITH_ADDRESS = 6,     /* an address can't be listened on */
	KITH_UNREACHABLE = 7, /* no peer answered */
	KITH_EXISTS = 8,      /* what was to be made is there already */
	KITH_REFUSED = 9      /* a rule forbids it: a used invite, a weak password */
};

struct kith_error {
	char text[256];
};

struct kith;        /* one node */
struct kith_config; /* settings, before a node is opened */

/* "0.1.0" */
KITH_API const char *kith_version(void);

KITH_API void kith_string_free(char *s);

/* Settings. */

/* Everything at its default. */
KITH_API struct kith_config *kith_config_new(void);
KITH_API void kith_config_free(struct kith_config *c);

/* Sets name (as in `--name`, say "listen") to value. KITH_USAGE for an unknown name or a value
 * that it doesn't take. A later set wins over an earlier one. */
KITH_API enum kith_status kith_config_set(
	struct kith_config *c, const char *name, const char *value, struct kith_error *why);

/* The value in force (empty: none), or NULL for an unknown name. Borrowed until the next set.
 */
KITH_API const char *kith_config_get(const struct kith_config *c, const char *name);

/* Takes the environment's KITH_NAME (KITH_DATA_DIR for data-dir) where set. */
KITH_API enum kith_status kith_config_load_env(struct kith_config *c, struct kith_error *why);

/* Takes an INI file of `name = value` lines (without a section, or under [kith]). A missing
 * file is KITH_OK unless required is set. */
KITH_API enum kith_status kith_config_load_file(
	struct kith_config *c, const char *path, int required, struct kith_error *why);

/* The i-th setting, for help texts; 0 when there is none. Strings are static. */
struct kith_setting {
	const char *name;
	const char *values; /* "HOST:PORT", "on|off" */
	const char *preset; /* the default; empty: said in help */
	const char *help;
	int run_only; /* 1: means nothing to commands, only to a node that runs */
};
KITH_API int kith_config_list(size_t i, struct kith_setting *out);

enum kith_log_level { KITH_LOG_ERROR, KITH_LOG_WARN, KITH_LOG_INFO, KITH_LOG_DEBUG };

/* Lines of the log, without a line end, on the node's thread. NULL (the default) drops them. */
KITH_API void kith_config_set_log(struct kith_config *c,
	void (*write)(void *arg, enum kith_log_level level, const char *line), void *arg);

/* A node's identity. */

/* Makes a new identity in the configured data directory (created 0700). *server_name gets its
 * name (52 characters), *recovery its recovery code (55 characters in groups), which is kept
 * nowhere. KITH_EXISTS if there is one already: it is left alone. */
KITH_API enum kith_status kith_init(const struct kith_config *c, char **server_name,
	char **recovery, struct kith_error *why);

/* As kith_init, from a recovery code: the same server name with a new node key. */
KITH_API enum kith_status kith_init_recover(const struct kith_config *c, const char *recovery,
	char **server_name, struct kith_error *why);

/* A node's life. */

/* Opens the data directory: takes its lock, reads the keys, opens and migrates the database. A
 * directory without an identity is KITH_NO_IDENTITY. *out is the caller's: kith_close(). */
KITH_API enum kith_status kith_open(
	const struct kith_config *c, struct kith **out, struct kith_error *why);

/* Binds the addresses (a taken one is KITH_ADDRESS) and begins to link with peers. */
KITH_API enum kith_status kith_start(struct kith *k, struct kith_error *why);

/* Serves until kith_stop(). */
KITH_API void kith_run(struct kith *k);

/* Makes kith_run() return soon. From any thread, and from a signal handler. */
KITH_API void kith_stop(struct kith *k);

/* Ends everything in order and frees k: after kith_run() has returned, or instead of it. */
KITH_API void kith_close(struct kith *k);

KITH_API const char *kith_server_name(const struct kith *k);
/* Where the client API and the link listener are bound ("127.0.0.1:8008"); empty before start.
 */
KITH_API const char *kith_listen_address(const struct kith *k);
KITH_API const char *kith_link_address(const struct kith *k);
/* The one-time token that lets the owner make the first account, or NULL when there is one. The
 * caller's. */
KITH_API char *kith_owner_token(const struct kith *k);

/* A phone's life: links are told to sleep; opened again; addresses have changed. From any
 * thread. */
KITH_API void kith_suspend(struct kith *k);
KITH_API void kith_resume(struct kith *k);
KITH_API void kith_network_changed(struct kith *k);

/* Requests in process. */

struct kith_request {
	const char *method; /* "GET", "PUT", "POST", "DELETE" */
	const char *target; /* path and query, encoded: "/_matrix/client/v3/sync?timeout=0" */
	const char *access_token; /* or NULL */
	const char *content_type; /* or NULL: application/json */
	const void *body;
	size_t body_len;
};

/* The whole answer, borrowed during the call. status 0: the node is closing. */
typedef void kith_response_fn(
	void *arg, int status, const char *content_type, const void *body, size_t body_len);

/* A client-server API call without a socket. done is called once, on the node's thread. From
 * any thread, between kith_open() and kith_close(). */
KITH_API void kith_request(
	struct kith *k, const struct kith_request *req, kith_response_fn *done, void *arg);

/* Commands: what the owner of a node does with it. Names, arguments and answers (JSON objects):
 *
 *   register  {"user": "alice", "password": "..."} -> {"user_id": "@alice:..."}
 *   invite    {"expiry_minutes": 10080} -> {"invite": "kith:1...", "expires_ts": ms}
 *   join      {"invite": "kith:1..."} -> {"server_name": "...", "user_ids": ["@bob:..."]}
 *   peers     {} -> {"peers": [{"server_name", "user_ids", "connected", "last_seen_ts"}]}
 *   status    {} -> {"server_name", "version", "listen", "link_listen", "users", ...}
 *   check     {} -> {"ok": true, "findings": []}
 */

/* answer is NULL on failure; why is never NULL. */
typedef void kith_command_fn(
	void *arg, enum kith_status status, const char *answer, const struct kith_error *why);

/* Of a node that this process runs. From any thread; done is called once, on the node's. */
KITH_API void kith_node_command(struct kith *k, const char *name, const char *arguments,
	kith_command_fn *done, void *arg);

/* Of a data directory: reaches the node that runs on it by its control socket; if none runs,
 * opens the data directory itself for as long as the command takes. Blocks. */
KITH_API enum kith_status kith_command(const struct kith_config *c, const char *name,
	const char *arguments, char **answer, struct kith_error *why);

/* The arguments of a command as JSON, from the words of a command line (register: USER and
 * PASSWORD; join: INVITE; invite: minutes to live, or none). NULL for a wrong number of words.
 */
KITH_API char *kith_command_arguments(const char *name, const char *const *words, size_t n);

/* An answer in words for a terminal, lines ending in a line feed. */
KITH_API char *kith_answer_text(const char *name, const char *answer);

/* Three commands spelled out for apps. */
KITH_API void kith_invite_create(
	struct kith *k, int expiry_minutes, kith_command_fn *done, void *arg);
KITH_API void kith_invite_accept(
	struct kith *k, const char *invite, kith_command_fn *done, void *arg);
KITH_API void kith_peers(struct kith *k, kith_command_fn *done, void *arg);

/* The rules of rooms, without a node: "auth" says whether an event is allowed by its auth
 * events, "resolve" what states resolve to. text: a case; *answer: what is said of it (both
 * JSON objects; kith(1) has their shapes). KITH_USAGE for a case that can't be read. Any
 * thread. */
enum { KITH_RULES_VERIFY = 1, KITH_RULES_EXPLAIN = 2 };
KITH_API enum kith_status kith_rules(const char *name, const char *text, size_t text_len,
	int flags, char **answer, struct kith_error *why);

/* A QR code of text for a terminal; NULL when it is too long. */
KITH_API char *kith_qr_text(const char *text);

#ifdef __cplusplus
}
#endif

#endif
