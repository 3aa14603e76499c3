#include "transport/http_server.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/base/map.h"
#include "transport/http_conn.h"
#include "transport/lws.h"

#define LOG_MODULE "http"

#define LINGER_MS 2000

struct http_server {
	struct http_server_options o;
	struct lws_vhost *vhost;
	struct listener *listener;
	struct http_conn *conns; /* all */
	struct http_conn *dirty;
	struct loop_deferred pass;
	struct patience patience;
	struct map addresses; /* of struct http_address */
	struct http_server_stats stats;
	struct log_limit full_log;
	time_t date_at;
	char date[40];
	unsigned char scratch[LWS_PRE + HTTP_WRITE_MAX];
};

const struct http_server_options *http_server_options(const struct http_server *s)
{
	return &s->o;
}

const char *http_server_date(struct http_server *s)
{
	time_t now = (time_t)(clock_wall_ms(s->o.clock) / 1000);
	if (now != s->date_at || !s->date[0]) {
		struct tm tm;
		s->date_at = now;
		gmtime_r(&now, &tm);
		strftime(s->date, sizeof(s->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return s->date;
}

void http_server_count_request(struct http_server *s)
{
	s->stats.requests++;
}

bool http_server_is_full(const struct http_server *s)
{
	return s->stats.active > s->o.max_active;
}

struct http_server_stats http_server_stats(const struct http_server *s)
{
	return s->stats;
}

/* --- connections ------------------------------------------------------------------------ */

void http_conn_mark(struct http_conn *c)
{
	struct http_server *s = c->server;
	if (c->dirty)
		return;
	c->dirty = true;
	c->next_dirty = s->dirty;
	s->dirty = c;
	loop_defer(s->o.loop, &s->pass);
}

void http_conn_wait(struct http_conn *c, unsigned kind)
{
	patience_start(&c->server->patience, &c->patience, kind);
}

void http_conn_wait_not(struct http_conn *c)
{
	patience_stop(&c->server->patience, &c->patience);
}

void http_conn_count(struct http_conn *c)
{
	bool idle = c->state == CONN_HEAD && !c->x && c->in.n == c->in_at;
	bool active = !idle && !c->parked && !c->dead;
	if (active == c->active)
		return;
	c->active = active;
	if (active)
		c->server->stats.active++;
	else
		c->server->stats.active--;
}

static bool count_address(struct http_server *s, struct http_conn *c)
{
	struct http_address *a = map_get(&s->addresses, str_of(c->address));
	if (a && a->conns >= s->o.max_address)
		return false;
	if (!a) {
		a = NEW(struct http_address);
		memcpy(a->text, c->address, sizeof(a->text));
		map_put(&s->addresses, str_of(a->text), a);
	}
	a->conns++;
	c->counted = a;
	return true;
}

static void uncount_address(struct http_server *s, struct http_conn *c)
{
	struct http_address *a = c->counted;
	if (!a || --a->conns)
		return;
	map_del(&s->addresses, str_of(a->text));
	free(a);
}

static void free_conn(struct http_conn *c)
{
	struct http_server *s = c->server;
	assert(!c->wsi && !c->x && !c->dirty);
	c->dead = true;
	http_conn_count(c);
	http_conn_wait_not(c);
	http_conn_drop_output(c);
	uncount_address(s, c);
	buf_deinit(&c->in);
	*(c->prev ? &c->prev->next : &s->conns) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->stats.conns--;
	free(c);
}

static void close_conn(struct http_conn *c)
{
	/* on_close() below runs inside of this. */
	if (c->wsi)
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

/* --- the pass --------------------------------------------------------------------------- */

/* Writes once, if lws has sent all that it was given before. */
static bool flush(struct http_server *s, struct http_conn *c)
{
	unsigned char *p = s->scratch + LWS_PRE;

	if (!c->out || lws_partial_buffered(c->wsi))
		return false;
	size_t n = http_conn_peek(c, p, HTTP_WRITE_MAX);
	if (lws_write(c->wsi, p, n, LWS_WRITE_RAW) < 0) {
		c->dead = true;
		return false;
	}
	http_conn_sent(c, n);
	return true;
}

/* The patience that a connection deserves after it was written to. */
static void settle(struct http_conn *c, bool wrote)
{
	bool pending = c->out || lws_partial_buffered(c->wsi);

	if (pending) {
		lws_callback_on_writable(c->wsi);
		if (wrote || !patience_is(&c->patience, FOR_READER))
			http_conn_wait(c, FOR_READER);
		return;
	}
	if (c->state == CONN_LINGER) {
		if (!c->shut && !patience_is(&c->patience, FOR_CLOSE)) {
			c->shut = true;
			shutdown(lws_get_socket_fd(c->wsi), SHUT_WR);
			http_conn_wait(c, FOR_CLOSE);
		}
		return;
	}
	if (!patience_is(&c->patience, FOR_READER))
		return;
	switch (c->state) {
	case CONN_HEAD: http_conn_wait(c, c->in.n ? FOR_HEAD : FOR_REQUEST); break;
	case CONN_BODY:
	case CONN_DISCARD: http_conn_wait(c, FOR_BODY); break;
	case CONN_HELD:
	case CONN_WAIT:
	case CONN_LINGER: http_conn_wait_not(c); break;
	}
}

static void control_reading(struct http_conn *c)
{
	bool off = c->in.n - c->in_at >= HTTP_PIPELINE_MAX;
	if (off == c->read_off)
		return;
	c->read_off = off;
	lws_rx_flow_control(c->wsi, !off);
}

static void tell_drained(struct http_server *s, struct http_conn *c)
{
	struct http_exchange *x = c->x;
	if (!x || !x->want_drain || c->out_bytes > LIMIT_HTTP_OUT_BUFFERED / 2)
		return;
	x->want_drain = false;
	s->o.handler.drained(x);
}

static void pass_conn(struct http_server *s, struct http_conn *c)
{
	bool wrote = false;
	if (c->wsi && !c->dead)
		http_conn_read(c);
	if (c->wsi && !c->dead)
		wrote = flush(s, c);
	if (c->wsi && !c->dead) {
		settle(c, wrote);
		control_reading(c);
		tell_drained(s, c);
		http_conn_count(c);
	}
	if (c->dead)
		close_conn(c);
	if (c->wsi)
		return;
	/* Closing may have marked it anew: then the next round frees it. */
	if (!c->dirty)
		free_conn(c);
}

static void on_pass(struct loop_deferred *d)
{
	struct http_server *s = CONTAINER_OF(d, struct http_server, pass);
	while (s->dirty) {
		struct http_conn *c = s->dirty;
		s->dirty = c->next_dirty;
		c->dirty = false;
		pass_conn(s, c);
	}
}

static void on_late(void *arg, struct patience_entry *e, unsigned kind)
{
	(void)arg;
	http_conn_late(CONTAINER_OF(e, struct http_conn, patience), kind);
}

/* --- lws -------------------------------------------------------------------------------- */

static void on_closed(struct http_conn *c)
{
	c->wsi = NULL;
	c->dead = true;
	http_conn_wait_not(c);
	http_conn_abort(c);
	http_conn_mark(c);
}

static int on_lws(
	struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct http_conn *c = wsi ? lws_get_opaque_user_data(wsi) : NULL;
	(void)user;
	if (!c)
		return 0;
	if (reason == LWS_CALLBACK_RAW_RX)
		http_conn_take(c, (struct str){ in, len });
	else if (reason == LWS_CALLBACK_RAW_WRITEABLE)
		http_conn_mark(c);
	else if (reason == LWS_CALLBACK_RAW_CLOSE)
		on_closed(c);
	return 0;
}

static const struct lws_protocols protocols[] = {
	{ .name = "kith-http", .callback = on_lws },
	{ 0 },
};

/* --- accepting -------------------------------------------------------------------------- */

static bool drop_oldest_idle(struct http_server *s)
{
	struct patience_entry *e = patience_oldest(&s->patience, FOR_REQUEST);
	if (!e)
		return false;
	struct http_conn *c = CONTAINER_OF(e, struct http_conn, patience);
	patience_stop(&s->patience, e);
	c->dead = true;
	http_conn_mark(c); /* closed at the end of this turn */
	return true;
}

static void on_exhausted(void *arg)
{
	(void)drop_oldest_idle(arg);
}

static bool make_room(struct http_server *s)
{
	if (s->stats.conns < s->o.max_conns)
		return true;
	if (log_limit(&s->full_log, clock_mono_ms(s->o.clock)))
		log_warn(s->o.log, "too many connections: the oldest idle one goes open=%zu",
			s->stats.conns);
	return drop_oldest_idle(s);
}

static void on_accepted(void *arg, int fd, const char *address, bool loopback)
{
	struct http_server *s = arg;
	struct http_conn *c = NEW(struct http_conn);

	c->server = s;
	memcpy(c->address, address, strlen(address) + 1);
	if (!make_room(s) || (!loopback && !count_address(s, c))) {
		free(c);
		(void)close(fd);
		return;
	}
	c->next = s->conns;
	if (c->next)
		c->next->prev = c;
	s->conns = c;
	s->stats.conns++;
	const lws_adopt_desc_t adopt = {
		.vh = s->vhost,
		.type = LWS_ADOPT_SOCKET,
		.fd.sockfd = fd,
		.vh_prot_name = protocols[0].name,
		.opaque = c,
	};
	c->wsi = lws_adopt_descriptor_vhost_via_info(&adopt);
	if (!c->wsi) { /* it has closed fd */
		c->dead = true;
		http_conn_mark(c);
		return;
	}
	http_conn_wait(c, FOR_REQUEST);
}

/* --- the server ------------------------------------------------------------------------- */

static void default_limits(struct http_server_options *o)
{
	if (!o->headers_ms)
		o->headers_ms = LIMIT_HTTP_HEADERS_MS;
	if (!o->body_ms)
		o->body_ms = LIMIT_HTTP_HEADERS_MS;
	if (!o->idle_ms)
		o->idle_ms = LIMIT_HTTP_IDLE_MS;
	if (!o->stalled_ms)
		o->stalled_ms = LIMIT_HTTP_STALLED_MS;
	if (!o->max_conns)
		o->max_conns = LIMIT_HTTP_CONNS_IDLE;
	if (!o->max_active)
		o->max_active = LIMIT_HTTP_CONNS_ACTIVE;
	if (!o->max_address)
		o->max_address = LIMIT_HTTP_CONNS_ADDRESS;
}

static enum err open_vhost(struct http_server *s, struct err_ctx *why)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.vhost_name = "kith-http",
		.protocols = protocols,
		.user = s,
	};
	s->vhost = lws_create_vhost(lws_node_context(s->o.lws), &info);
	return s->vhost ? ERR_OK : err_set(why, ERR_IO, "libwebsockets made no vhost");
}

static void free_server(struct http_server *s)
{
	listener_free(s->listener);
	patience_deinit(&s->patience);
	map_deinit(&s->addresses);
	free(s);
}

enum err http_server_new(
	const struct http_server_options *o, struct http_server **out, struct err_ctx *why)
{
	struct http_server *s = NEW(struct http_server);
	s->o = *o;
	s->o.host = NULL;
	default_limits(&s->o);
	s->pass.fn = on_pass;
	map_init(&s->addresses);
	const unsigned ms[PATIENCE_KINDS] = {
		[FOR_HEAD] = s->o.headers_ms,
		[FOR_BODY] = s->o.body_ms,
		[FOR_REQUEST] = s->o.idle_ms,
		[FOR_READER] = s->o.stalled_ms,
		[FOR_CLOSE] = LINGER_MS,
	};
	patience_init(&s->patience, o->loop, ms, on_late, s);

	const struct listener_options lo = {
		.uv = o->uv,
		.loop = o->loop,
		.host = o->host,
		.port = o->port,
		.accepted = on_accepted,
		.exhausted = on_exhausted,
		.arg = s,
	};
	enum err err = listener_new(&lo, &s->listener, why);
	if (!err)
		err = open_vhost(s, why);
	if (err) {
		free_server(s);
		return err;
	}
	*out = s;
	return ERR_OK;
}

uint16_t http_server_port(const struct http_server *s)
{
	return listener_port(s->listener);
}

bool http_server_is_loopback(const struct http_server *s)
{
	return listener_is_loopback(s->listener);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	for (struct http_conn *c = s->conns, *next; c; c = next) {
		next = c->next;
		close_conn(c);
	}
	on_pass(&s->pass);
	loop_undefer(s->o.loop, &s->pass);
	assert(!s->conns);
	lws_vhost_destroy(s->vhost);
	free_server(s);
}
