#include "tests/sim/traffic.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/alloc.h"
#include "node/json/json.h"
#include "node/room/send.h"
#include "node/user/to_device.h"
#include "node/user/users.h"
#include "store/event.h"
#include "store/outbox.h"
#include "tests/sim/traffic_int.h"
#include "transport/transport_int.h"

#define NODES_MAX 64 /* of full ones: a bit each */

void samples_add(struct samples *s, uint64_t sent_us, uint64_t now_us)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 1024;
		s->list = xrealloc(s->list, s->cap * sizeof(s->list[0]));
	}
	s->list[s->n++] = (struct sample){ sent_us, now_us - sent_us };
}

struct traffic *traffic_new(struct world *w)
{
	struct traffic *t = NEW(struct traffic);

	t->world = w;
	map_init(&t->events);
	return t;
}

void traffic_free(struct traffic *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->items[i]);
	free(t->items);
	free(t->arrivals.list);
	free(t->answers.list);
	map_deinit(&t->events);
	free(t);
}

static struct item *add_item(struct traffic *t, size_t from, uint64_t due)
{
	struct item *i = NEW(struct item);

	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 256;
		t->items = xrealloc(t->items, t->cap * sizeof(struct item *));
	}
	i->from = from;
	i->due = due;
	i->sent_us = t->world->q.now_us;
	t->items[t->n++] = i;
	return i;
}

static uint64_t bit(size_t node)
{
	assert(node < NODES_MAX);
	return UINT64_C(1) << node;
}

/* ---- arrivals ---- */

static void arrived(struct node *n, struct item *i)
{
	struct traffic *t = n->world->traffic;

	if (i->got & bit(n->at)) {
		world_fail(n->world, "node %zu got %s of node %zu twice", n->at,
			i->is_event ? "an event" : "a to-device message", i->from);
		return;
	}
	i->got |= bit(n->at);
	if (i->due & bit(n->at))
		samples_add(&t->arrivals, i->sent_us, n->world->q.now_us);
}

/* The number behind "item": of a message, or SIZE_MAX. */
static size_t item_number(struct str json)
{
	static const char key[] = "\"item\":";
	const char *p = memmem(json.p, json.n, key, sizeof(key) - 1);
	uint64_t n = 0;

	if (!p)
		return SIZE_MAX;
	for (p += sizeof(key) - 1; p < json.p + json.n && *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	return (size_t)n;
}

/* Reads the device's inbox as its client would, and empties it. */
static void read_inbox(struct node *n)
{
	struct traffic *t = n->world->traffic;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	int64_t to = store_durable_pos(n->store);
	struct to_device_page page = { 0 };

	do {
		if (to_device_since(n->users, a, n->device, n->inbox_pos, to, 100, &page)) {
			world_fail(n->world, "the inbox of node %zu can't be read", n->at);
			return;
		}
		for (size_t i = 0; i < page.n; i++) {
			size_t number = item_number(page.messages[i].json);

			if (number < t->n)
				arrived(n, t->items[number]);
		}
		n->inbox_pos = page.next;
	} while (page.n > 0);
	if (to_device_delete(n->users, n->device, n->inbox_pos))
		world_fail(n->world, "the inbox of node %zu can't be emptied", n->at);
}

static void on_feed(void *arg, const struct feed_item *item)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	struct node *n = arg;
	struct store_event e;
	struct item *i;

	if (item->kind == FEED_TO_DEVICE)
		read_inbox(n);
	if (item->kind != FEED_EVENT)
		return;
	a = arena_new();
	if (store_event_get_nid(n->store, a, item->pos, &e))
		return;
	i = map_get(&n->world->traffic->events, e.event_id);
	if (i && i->from != n->at)
		arrived(n, i);
}

/* ---- who answers ---- */

/* A bare node's: every request costs its processor something. */
static void on_asked(void *arg, struct transport_incoming *in)
{
	struct node *n = arg;
	uint64_t now = n->world->q.now_us;
	const struct transport_response res = { .status = 200, .body = STR("{\"ok\":true}") };

	n->loop.busy_us = (n->loop.busy_us > now ? n->loop.busy_us : now) + n->world->cost_us;
	transport_respond(in, &res);
}

static void on_asked_liar(void *arg, struct transport_incoming *in)
{
	struct node *n = arg;
	const struct transport_response res = { .status = 200, .body = STR("{\"pdus\":{}}") };

	if (n->lies && str_starts(in->path, STR("/_matrix/federation/v1/send/")))
		transport_respond(in, &res);
	else
		n->real.request(n->real.arg, in);
}

static uint64_t acked_by_liar(void *arg, struct str origin, const unsigned char node[32])
{
	const struct node *n = arg;

	return n->lies ? UINT64_MAX : n->real.acked(n->real.arg, origin, node);
}

static void behind_the_liar(struct node *n)
{
	n->real = n->transport->handler;
	transport_serve(n->transport,
		&(struct transport_handler){
			.request = on_asked_liar, .acked = acked_by_liar, .arg = n });
}

void traffic_node_up(struct node *n)
{
	if (!n->world->full) {
		transport_serve(n->transport,
			&(struct transport_handler){ .request = on_asked, .arg = n });
		return;
	}
	n->feed = (struct store_listener){ .item = on_feed, .arg = n };
	store_listen(n->store, &n->feed);
	behind_the_liar(n);
}

void traffic_node_down(struct node *n)
{
	if (!n->world->full)
		return;
	store_unlisten(n->store, &n->feed);
	/* What is stored and not told yet arrived all the same. */
	store_finish(n->store);
	if (n->device)
		read_inbox(n);
}

void traffic_lie(struct node *n, bool lies)
{
	struct traffic *t = n->world->traffic;

	for (size_t i = 0; n->lies && i < t->n; i++)
		t->items[i]->due &= ~bit(n->at) | t->items[i]->got;
	n->lies = lies;
}

/* ---- saying something ---- */

void traffic_to_device(struct world *w, size_t from, size_t to)
{
	struct node *n = &w->nodes[from];
	struct traffic *t = w->traffic;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct item *i = add_item(t, from, bit(to));
	const struct json *messages;
	struct user_caller who;
	struct err_ctx why = { 0 };
	struct str text = arena_printf(
		a, "{\"%s\":{\"DEVICE\":{\"item\":%zu}}}", w->nodes[to].user_id, t->n - 1);
	enum err err = json_parse_in(a, text, &json_limits_client, &messages, &why);

	i->to = to;
	if (!err)
		err = users_authenticate(
			n->users, str_of(n->token), STR(""), a, &who, NULL, &why);
	if (!err)
		err = to_device_send(n->users, &who, STR("org.example.sim"),
			arena_printf(a, "%zu", t->n), messages, &why);
	if (err)
		world_fail(w, "node %zu can't send: %s", from, why.text);
	queue_loop_turn(&n->loop);
}

void traffic_message(struct world *w, size_t from)
{
	struct node *n = &w->nodes[from];
	struct traffic *t = w->traffic;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	uint64_t all = w->n == NODES_MAX ? UINT64_MAX : bit(w->n) - 1;
	struct item *i = add_item(t, from, all & ~bit(from));
	const struct json *content;
	struct room_send s = { .room_id = str_of(w->room_id),
		.sender = str_of(n->user_id),
		.type = STR("m.room.message") };
	struct str text =
		arena_printf(a, "{\"body\":\"number %zu\",\"msgtype\":\"m.text\"}", t->n - 1);
	enum err err = json_parse_in(a, text, &json_limits_client, &content, NULL);

	i->is_event = true;
	s.content = content;
	if (!err)
		err = rooms_send(n->rooms, &s);
	if (err || strlen(s.event_id) >= sizeof(i->event_id)) {
		world_fail(w, "node %zu can't write into the room: %s", from, s.why.text);
		return;
	}
	queue_trace(&w->q, 0x2000 + from, t->n);
	memcpy(i->event_id, s.event_id, strlen(s.event_id) + 1);
	map_put(&t->events, str_of(i->event_id), i);
	queue_loop_turn(&n->loop);
}

/* ---- what hasn't arrived ---- */

static void mark_held(struct world *w, struct node *n, size_t to)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct outbox_waiting *edus;
	struct traffic *t = w->traffic;
	size_t count;

	if (outbox_edus(n->store, a, node_name(&w->nodes[to]), clock_wall_ms(&n->clock),
		    1000000, &edus, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		size_t number = item_number(edus[i].json);

		if (number < t->n && t->items[number]->to == to)
			t->items[number]->held = true;
	}
}

static bool is_missing(const struct item *i)
{
	return !i->is_event && (i->due & ~i->got) != 0;
}

void traffic_check_held(struct world *w)
{
	struct traffic *t = w->traffic;
	bool *asked = xcalloc(w->n * w->n, sizeof(*asked));

	if (!w->full) {
		free(asked);
		return;
	}
	for (size_t i = 0; i < w->n; i++) {
		if (w->nodes[i].up && w->nodes[i].device)
			read_inbox(&w->nodes[i]);
	}
	for (size_t i = 0; i < t->n && !w->failed; i++) {
		struct item *item = t->items[i];
		struct node *from = &w->nodes[item->from];

		if (!is_missing(item) || !from->up || !w->nodes[item->to].up)
			continue;
		if (!asked[item->from * w->n + item->to])
			mark_held(w, from, item->to);
		asked[item->from * w->n + item->to] = true;
		if (!item->held && !w->nodes[item->to].lies)
			world_fail(w, "message %zu of node %zu to node %zu is nowhere", i,
				item->from, item->to);
	}
	for (size_t i = 0; i < t->n; i++)
		t->items[i]->held = false;
	free(asked);
}
