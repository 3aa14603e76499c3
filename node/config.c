#include "node/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "node/base/alloc.h"
#include "node/core/room_version.h"

static bool ok_any(const char *v)
{
	return v[0] != '\0';
}

static bool one_of(const char *v, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(v, *words) == 0)
			return true;
	}
	return false;
}

static bool ok_registration(const char *v)
{
	return one_of(v, (const char *const[]){ "closed", "token", "open", NULL });
}

static bool ok_on_off(const char *v)
{
	return one_of(v, (const char *const[]){ "on", "off", NULL });
}

static bool ok_cost(const char *v)
{
	return one_of(v, (const char *const[]){ "default", "low", NULL });
}

static bool ok_durability(const char *v)
{
	return one_of(v, (const char *const[]){ "group", "full", NULL });
}

static bool ok_level(const char *v)
{
	return one_of(v, (const char *const[]){ "error", "warn", "info", "debug", NULL });
}

static bool ok_room_version(const char *v)
{
	const struct room_version *version = room_version_find(str_of(v));

	return version && version->offered;
}

static bool ok_address(const char *v)
{
	struct str host;
	unsigned port;

	return config_address(v, &host, &port);
}

const struct setting_info settings[N_SETTINGS] = {
	[SET_DATA_DIR] = { "data-dir", "DIR", NULL, "where keys, database and media lie",
		ok_any, false },
	[SET_LISTEN] = { "listen", "HOST:PORT", "127.0.0.1:8008",
		"where clients reach the node; anything but loopback is for others to reach "
		"too",
		ok_address, true },
	[SET_LINK_LISTEN] = { "link-listen", "HOST:PORT", "",
		"where other nodes reach this one (every address, port 27448, or a free one if "
		"taken)",
		ok_address, false },
	[SET_REGISTRATION] = { "registration", "closed|token|open", "closed",
		"who may make an account: nobody, whoever holds a token, anybody",
		ok_registration, true },
	[SET_RATE_LIMITS] = { "rate-limits", "on|off", "on", "limit requests of each account",
		ok_on_off, true },
	[SET_DEFAULT_ROOM_VERSION] = { "default-room-version", "11|12", "12",
		"version of rooms made here", ok_room_version, true },
	[SET_PASSWORD_COST] = { "password-cost", "default|low", "default",
		"cost of hashing passwords; low is for tests and LAN parties", ok_cost, false },
	[SET_DURABILITY] = { "durability", "group|full", "group",
		"group: requests share a disk flush; full: SQLite flushes each transaction",
		ok_durability, true },
	[SET_HOST_NAME] = { "host-name", "NAME", "",
		"one more name by which clients may address this node", ok_any, true },
	[SET_MOBILE] = { "mobile", "on|off", "off",
		"a phone: it alone keeps its links alive, as seldom as its network allows",
		ok_on_off, true },
	[SET_LOG_LEVEL] = { "log-level", "error|warn|info|debug", "info",
		"what is written to the log", ok_level, true },
};

void config_init(struct config *c)
{
	const char *base = getenv("XDG_DATA_HOME");
	const char *home = getenv("HOME");
	char path[4096];

	*c = (struct config){ 0 };
	if (base && base[0] == '/')
		(void)snprintf(path, sizeof(path), "%s/kith", base);
	else
		(void)snprintf(path, sizeof(path), "%s/.local/share/kith", home ? home : ".");
	c->values[SET_DATA_DIR] = xstrdup(str_of(path));
}

void config_deinit(struct config *c)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
		free(c->values[i]);
	*c = (struct config){ 0 };
}

void config_copy(struct config *to, const struct config *from)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
		to->values[i] = from->values[i] ? xstrdup(str_of(from->values[i])) : NULL;
}

enum setting config_find(const char *name)
{
	for (enum setting s = 0; s < N_SETTINGS; s++) {
		if (strcmp(settings[s].name, name) == 0)
			return s;
	}
	return N_SETTINGS;
}

enum err config_set(struct config *c, const char *name, const char *value, struct err_ctx *why)
{
	enum setting s = config_find(name);

	if (s == N_SETTINGS)
		return err_set(why, ERR_INVALID, "there is no setting named %s", name);
	if (!settings[s].ok(value))
		return err_set(why, ERR_INVALID, "%s takes %s, not \"%s\"", name,
			settings[s].values, value);
	free(c->values[s]);
	c->values[s] = xstrdup(str_of(value));
	return ERR_OK;
}

/* data-dir -> KITH_DATA_DIR */
static void env_name(const char *name, char out[64])
{
	size_t n = (size_t)snprintf(out, 64, "KITH_%s", name);

	for (size_t i = 5; i < n && i < 63; i++) {
		int c = out[i] == '-' ? '_' : toupper((unsigned char)out[i]);

		out[i] = (char)c;
	}
}

enum err config_load_env(struct config *c, struct err_ctx *why)
{
	for (size_t i = 0; i < N_SETTINGS; i++) {
		char name[64];
		const char *value;
		enum err err;

		env_name(settings[i].name, name);
		value = getenv(name);
		if (!value)
			continue;
		err = config_set(c, settings[i].name, value, NULL);
		if (err)
			return err_set(why, err, "%s takes %s, not \"%s\"", name,
				settings[i].values, value);
	}
	return ERR_OK;
}

struct load {
	struct config *c;
	struct err_ctx *why;
	enum err err;
};

static int one_line(void *arg, const char *section, const char *name, const char *value)
{
	struct load *l = arg;

	if (l->err)
		return 0; /* the first error is the one to tell of */
	if (section[0] && strcmp(section, "kith") != 0)
		l->err =
			err_set(l->why, ERR_INVALID, "there is no section named [%s]", section);
	else
		l->err = config_set(l->c, name, value, l->why);
	return l->err == ERR_OK;
}

enum err config_load_file(struct config *c, const char *path, struct err_ctx *why)
{
	struct err_ctx said = { { 0 } };
	struct load l = { c, &said, ERR_OK };
	FILE *f = fopen(path, "re");
	int line;

	if (!f)
		return err_set(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path,
			strerror(errno));
	line = ini_parse_file(f, one_line, &l);
	(void)fclose(f);
	if (l.err)
		return err_set(why, l.err, "%s, line %d: %s", path, line, said.text);
	if (line)
		return err_set(
			why, ERR_INVALID, "%s, line %d is not `name = value`", path, line);
	return ERR_OK;
}

const char *config_get(const struct config *c, enum setting s)
{
	if (c->values[s])
		return c->values[s];
	return settings[s].preset ? settings[s].preset : "";
}

bool config_is(const struct config *c, enum setting s, const char *value)
{
	return strcmp(config_get(c, s), value) == 0;
}

bool config_address(const char *text, struct str *host, unsigned *port)
{
	struct str s = str_of(text);
	struct str h;
	struct str digits;
	uint64_t n;

	if (s.n && s.p[0] == '[') {
		size_t close = str_find(s, ']');

		if (close + 1 >= s.n || s.p[close + 1] != ':')
			return false;
		h = (struct str){ s.p + 1, close - 1 };
		digits = str_skip(s, close + 2);
	} else if (!str_cut(s, ':', &h, &digits)) {
		return false;
	}
	if (h.n == 0 || !str_to_u64(digits, &n) || n > 65535)
		return false;
	*host = h;
	*port = (unsigned)n;
	return true;
}
