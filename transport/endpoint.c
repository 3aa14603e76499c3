#include "transport/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct gate_addr endpoint_parse_ip(const char *text, uint16_t port)
{
	struct gate_addr a = { .port = port };

	if (inet_pton(AF_INET, text, a.ip) == 1)
		a.n = 4;
	else if (inet_pton(AF_INET6, text, a.ip) == 1)
		a.n = 16;
	return a;
}

bool endpoint_from_address(struct endpoint *e, const struct gate_addr *a)
{
	*e = (struct endpoint){ .type = ENDPOINT_ADDRESS, .port = a->port };
	if (a->port == 0 || (a->n != 4 && a->n != 16))
		return false;
	return inet_ntop(a->n == 4 ? AF_INET : AF_INET6, a->ip, e->host, sizeof(e->host)) !=
		NULL;
}

static bool host_ok(struct str host)
{
	if (host.n == 0 || host.n > ENDPOINT_URL_MAX - 40)
		return false;
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];
		bool ok = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			(c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == ':' || c == '_';

		if (!ok)
			return false;
	}
	return true;
}

/* "host:port" or "[v6]:port"; the port may be missing. */
static bool split(struct str text, struct str *host, struct str *port)
{
	size_t at;

	*port = STR("");
	if (str_starts(text, STR("["))) {
		at = str_find(text, ']');
		if (at == text.n)
			return false;
		*host = str_head(str_skip(text, 1), at - 1);
		text = str_skip(text, at + 1);
		if (text.n == 0)
			return true;
		*port = str_skip(text, 1);
		return text.p[0] == ':';
	}
	if (str_cut(text, ':', host, port))
		return str_find(*port, ':') == port->n;
	return true;
}

bool endpoint_from_text(struct endpoint *e, struct str text)
{
	struct str host, port;
	struct gate_addr ip;
	uint64_t number = LINK_PORT;

	if (str_starts(text, STR("ws://")))
		text = str_skip(text, 5);
	if (str_ends(text, STR(LINK_PATH)))
		text = str_head(text, text.n - STR(LINK_PATH).n);
	if (!split(text, &host, &port) || !host_ok(host))
		return false;
	if (port.n > 0 && (!str_to_u64(port, &number) || number == 0 || number > UINT16_MAX))
		return false;
	*e = (struct endpoint){ .type = ENDPOINT_URL, .port = (uint16_t)number };
	memcpy(e->host, host.p, host.n);
	ip = endpoint_parse_ip(e->host, e->port);
	if (ip.n > 0)
		return endpoint_from_address(e, &ip);
	return str_find(host, ':') == host.n;
}

void endpoint_text(const struct endpoint *e, char *out)
{
	const char *fmt = strchr(e->host, ':') ? "[%s]:%u" : "%s:%u";

	(void)snprintf(out, ENDPOINT_TEXT_MAX, fmt, e->host, e->port);
}

void endpoint_put(const struct endpoint *e, struct buf *out)
{
	struct gate_addr ip = endpoint_parse_ip(e->host, e->port);
	char text[ENDPOINT_TEXT_MAX], url[ENDPOINT_TEXT_MAX + 32];

	if (e->type == ENDPOINT_ADDRESS && ip.n > 0) {
		buf_put_u8(out, ENDPOINT_ADDRESS);
		buf_put_u8(out, (uint8_t)(ip.n + 2));
		buf_put(out, ip.ip, ip.n);
		buf_put_be16(out, e->port);
		return;
	}
	endpoint_text(e, text);
	(void)snprintf(url, sizeof(url), "ws://%s%s", text, LINK_PATH);
	buf_put_u8(out, ENDPOINT_URL);
	buf_put_u8(out, (uint8_t)strlen(url)); /* at most ENDPOINT_URL_MAX: host_ok() */
	buf_put_z(out, url);
}

void endpoint_get(struct wire *w, struct endpoint *out, bool *known)
{
	uint8_t type = wire_u8(w), n = wire_u8(w);
	struct str value = wire_bytes(w, n);
	struct gate_addr a = { 0 };

	*known = false;
	if (w->bad)
		return;
	if (type == ENDPOINT_URL) {
		*known = str_starts(value, STR("ws://")) && endpoint_from_text(out, value);
	} else if (type == ENDPOINT_ADDRESS && (n == 6 || n == 18)) {
		a.n = (uint8_t)(n - 2);
		memcpy(a.ip, value.p, a.n);
		a.port = (uint16_t)((unsigned char)value.p[a.n] << 8 |
			(unsigned char)value.p[a.n + 1]);
		*known = endpoint_from_address(out, &a);
	}
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

bool endpoint_is_loopback(const struct endpoint *e)
{
	struct gate_addr ip = endpoint_parse_ip(e->host, e->port);

	if (ip.n == 4)
		return ip.ip[0] == 127;
	if (ip.n == 16)
		return strcmp(e->host, "::1") == 0;
	return strcmp(e->host, "localhost") == 0;
}
