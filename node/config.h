/*
 * config: a node's settings, one table for flags, environment, kith.conf and help.
 */
#ifndef KITH_CONFIG_H
#define KITH_CONFIG_H

#include "node/base/err.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum setting {
	SET_DATA_DIR,
	SET_LISTEN,
	SET_LINK_LISTEN,
	SET_REGISTRATION,
	SET_RATE_LIMITS,
	SET_DEFAULT_ROOM_VERSION,
	SET_PASSWORD_COST,
	SET_DURABILITY,
	SET_HOST_NAME,
	SET_MOBILE,
	SET_LOG_LEVEL,
	N_SETTINGS
};

struct setting_info {
	const char *name;
	const char *values;
	const char *preset; /* NULL: worked out when read (data-dir) */
	const char *help;
	bool (*ok)(const char *value);
	bool run_only; /* means nothing to commands (kith.h) */
};

extern const struct setting_info settings[N_SETTINGS];

struct config {
	char *values[N_SETTINGS]; /* owned; NULL: the preset */
};

void config_init(struct config *c);
void config_deinit(struct config *c);
void config_copy(struct config *to, const struct config *from);

/* ERR_INVALID with a sentence. */
enum err config_set(
	struct config *c, const char *name, const char *value, struct err_ctx *why) MUST_CHECK;
enum err config_load_env(struct config *c, struct err_ctx *why) MUST_CHECK;
/* ERR_NOT_FOUND if there is no such file. */
enum err config_load_file(struct config *c, const char *path, struct err_ctx *why) MUST_CHECK;

/* The value in force; empty for a setting without one. Borrowed until the next set. */
const char *config_get(const struct config *c, enum setting s);
bool config_is(const struct config *c, enum setting s, const char *value);
/* The setting of that name, or N_SETTINGS. */
enum setting config_find(const char *name);

/* Cuts HOST:PORT, [v6]:PORT; false for anything else. host has no brackets. */
bool config_address(const char *text, struct str *host, unsigned *port);

#endif
