#include "node/core/id.h"

#include <sodium.h>

#include "node/base/base32.h"
#include "node/base/base64.h"
#include "node/base/limits.h"

#define KITH_NAME_CHARS 52 /* of 32 bytes in base32 */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alnum(char c)
{
	return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

/* At least one character, and all of them ok. */
static bool all(struct str s, bool (*ok)(char c))
{
	for (size_t i = 0; i < s.n; i++) {
		if (!ok(s.p[i]))
			return false;
	}
	return s.n > 0;
}

static bool is_dns_char(char c)
{
	return is_alnum(c) || c == '-' || c == '.';
}

static bool is_ipv6_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' ||
		c == '.';
}

static bool is_local_char(char c)
{
	return is_lower(c) || is_digit(c) || (c && strchr("._=-/+", c));
}

static bool is_media_char(char c)
{
	return is_alnum(c) || c == '-' || c == '_';
}

static bool is_port(struct str s)
{
	return s.n <= 5 && all(s, is_digit);
}

bool id_server_name(struct str s)
{
	struct str host;
	struct str rest;

	if (s.n > LIMIT_ID_BYTES)
		return false;
	if (s.n && s.p[0] == '[') {
		if (!str_cut(str_skip(s, 1), ']', &host, &rest) || host.n < 2 || host.n > 45 ||
			!all(host, is_ipv6_char))
			return false;
		return rest.n == 0 || (rest.p[0] == ':' && is_port(str_skip(rest, 1)));
	}
	if (str_cut(s, ':', &host, &rest) && !is_port(rest))
		return false;
	return all(host, is_dns_char);
}

/* Cuts "<sigil>localpart:server". The server may hold further colons, the localpart none. */
static bool cut(struct str s, char sigil, struct str *localpart, struct str *server)
{
	struct str local;
	struct str domain;

	if (s.n == 0 || s.n > LIMIT_ID_BYTES || s.p[0] != sigil)
		return false;
	if (!str_cut(str_skip(s, 1), ':', &local, &domain) || !id_server_name(domain))
		return false;
	if (!str_is_utf8(local) || str_find(local, '\0') < local.n)
		return false;
	if (localpart)
		*localpart = local;
	if (server)
		*server = domain;
	return true;
}

bool id_user(struct str s, struct str *localpart, struct str *server)
{
	return cut(s, '@', localpart, server);
}

bool id_user_strict(struct str localpart)
{
	return localpart.n <= LIMIT_ID_BYTES && all(localpart, is_local_char);
}

bool id_is_hash(struct str s, char sigil, bool url)
{
	unsigned char hash[32];

	return s.n && s.p[0] == sigil && base64_get_hash(hash, str_skip(s, 1), url);
}

bool id_room(struct str s)
{
	return id_is_hash(s, '!', true) || cut(s, '!', NULL, NULL);
}

bool id_room_alias(struct str s, struct str *localpart, struct str *server)
{
	return s.n > 1 && s.p[1] != ':' && cut(s, '#', localpart, server);
}

bool id_event(struct str s)
{
	return id_is_hash(s, '$', true) || id_is_hash(s, '$', false) ||
		(s.n > 1 && s.p[1] != ':' && cut(s, '$', NULL, NULL));
}

bool id_mxc(struct str s, struct str *server, struct str *media_id)
{
	const struct str scheme = STR("mxc://");
	struct str name;
	struct str id;

	if (s.n > LIMIT_ID_BYTES || !str_starts(s, scheme))
		return false;
	if (!str_cut(str_skip(s, scheme.n), '/', &name, &id) || !id_server_name(name) ||
		!all(id, is_media_char))
		return false;
	if (server)
		*server = name;
	if (media_id)
		*media_id = id;
	return true;
}

struct str id_server_of(struct str id)
{
	struct str head;
	struct str rest;

	(void)str_cut(id, ':', &head, &rest);
	return rest;
}

bool id_kith_name(struct str s, unsigned char public_key[32])
{
	CLEANUP(buf_deinit) struct buf key = { 0 };
	CLEANUP(buf_deinit) struct buf again = { 0 };

	if (s.n != KITH_NAME_CHARS || base32_get(&key, s) || key.n != 32)
		return false;
	base32_put(&again, key.p, key.n);
	if (!str_eq(buf_str(&again), s) ||
		!crypto_core_ed25519_is_valid_point((const unsigned char *)key.p))
		return false;
	if (public_key)
		memcpy(public_key, key.p, 32);
	return true;
}
