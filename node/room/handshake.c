#include "node/room/handshake.h"

#include "node/room/room.h"

#define LOG_MODULE "room"

/*
 *   MAKE --ok--> SEND --ok--> DONE
 *    |             |
 *    +---error-----+--> MAKE with the next server; when there is none left, DONE with the error
 *                       that tells most: a refusal rather than silence
 */
enum state { MAKE, SEND, DONE, N_STATES };

struct step {
	const char *name;
	void (*enter)(struct handshake *h);
	enum state (*answer)(struct handshake *h, struct str body, enum err *err);
};

static void make_join(const struct room_ops *o, struct handshake *h)
{
	o->make_join(o->arg, &h->call, h->room_id, h->user_id);
}

static void send_join(const struct room_ops *o, struct handshake *h)
{
	o->send_join(o->arg, &h->call, h->room_id, h->event->event_id, h->event->json);
}

static void make_leave(const struct room_ops *o, struct handshake *h)
{
	o->make_leave(o->arg, &h->call, h->room_id, h->user_id);
}

static void send_leave(const struct room_ops *o, struct handshake *h)
{
	o->send_leave(o->arg, &h->call, h->room_id, h->event->event_id, h->event->json);
}

static void make_knock(const struct room_ops *o, struct handshake *h)
{
	o->make_knock(o->arg, &h->call, h->room_id, h->user_id);
}

static void send_knock(const struct room_ops *o, struct handshake *h)
{
	o->send_knock(o->arg, &h->call, h->room_id, h->event->event_id, h->event->json);
}

static const struct {
	const char *membership;
	void (*make)(const struct room_ops *o, struct handshake *h);
	void (*send)(const struct room_ops *o, struct handshake *h);
} kinds[] = {
	[HANDSHAKE_JOIN] = { "join", make_join, send_join },
	[HANDSHAKE_LEAVE] = { "leave", make_leave, send_leave },
	[HANDSHAKE_KNOCK] = { "knock", make_knock, send_knock },
};

static const char *membership_of(const struct handshake *h)
{
	return kinds[h->kind].membership;
}

static void ask_make(struct handshake *h)
{
	h->server = h->servers[h->at];
	h->call.server = h->server;
	h->call.piece = NULL;
	kinds[h->kind].make(h->rooms->ops, h);
}

static bool got_piece(struct room_call *c, struct str bytes)
{
	struct handshake *h = CONTAINER_OF(c, struct handshake, call);

	h->pieces = true;
	return h->piece(h, bytes);
}

void handshake_consumed(struct handshake *h, size_t n)
{
	const struct room_ops *o = h->rooms->ops;

	if (h->state == SEND && o->consumed)
		o->consumed(o->arg, &h->call, n);
}

static void ask_send(struct handshake *h)
{
	h->call.piece = h->piece ? got_piece : NULL;
	kinds[h->kind].send(h->rooms->ops, h);
}

static bool is_str(const struct json *obj, const char *key, struct str wanted)
{
	struct str s;

	return json_as_str(json_get(obj, key), &s) && str_eq(s, wanted);
}

/* "The joining server MUST also verify that the type, room_id, sender, state_key and
 * content.membership fields have the expected values." */
static enum err check_template(struct handshake *h, const struct json *event)
{
	if (!is_str(event, "type", STR("m.room.member")) ||
		!is_str(event, "room_id", h->room_id) || !is_str(event, "sender", h->user_id) ||
		!is_str(event, "state_key", h->user_id) ||
		!is_str(json_get(event, "content"), "membership", str_of(membership_of(h))))
		return err_set(&h->why, ERR_MALFORMED,
			"the other server's template is not for what we asked");
	return ERR_OK;
}

/* Our content; of the template's what lets us in (join_authorised_via_users_server). */
static void put_content(const struct json *own, const struct json *template, struct buf *out)
{
	struct jw w = jw_to(out);
	struct str authoriser;

	jw_obj(&w);
	for (const struct json *m = json_first(own); m; m = json_next(m)) {
		jw_key_str(&w, json_key(m));
		jw_json(&w, m);
	}
	if (json_as_str(json_get(template, "join_authorised_via_users_server"), &authoriser) &&
		!json_get(own, "join_authorised_via_users_server"))
		jw_kv_str(&w, "join_authorised_via_users_server", authoriser);
	jw_end(&w);
}

static enum err complete(struct handshake *h, struct arena *a, const struct json *template,
	const struct room_version *v)
{
	struct buf content = { 0 };
	struct buf text = { 0 };
	struct json_edit edit = { .key = STR("content") };
	const struct json *own;
	const struct json *whole;
	enum err err = json_parse_in(a, h->content, &json_limits_peer, &own, &h->why);

	if (err)
		return err;
	put_content(own, json_get(template, "content"), &content);
	edit.value = arena_str(a, buf_str(&content));
	json_canonical_edited(template, &edit, 1, &text);
	err = json_parse_in(
		a, arena_str(a, buf_str(&text)), &json_limits_peer, &whole, &h->why);
	buf_deinit(&content);
	buf_deinit(&text);
	if (!err)
		err = event_sign_template(whole, v, clock_wall_ms(h->rooms->clock),
			h->rooms->key, &h->event, &h->why);
	if (!err && !str_eq(h->event->room_id, h->room_id))
		err = err_set(&h->why, ERR_MALFORMED, "the template is of another room");
	return err;
}

static enum state got_make(struct handshake *h, struct str body, enum err *err)
{
	struct arena *a = arena_new();
	const struct json *reply;
	const struct json *event;
	const struct room_version *v = NULL;
	struct str version = STR("1");

	*err = json_parse_in(a, body, &json_limits_peer, &reply, &h->why);
	if (!*err)
		*err = json_opt_str(reply, "room_version", &version, &h->why);
	if (!*err)
		*err = json_obj(reply, "event", &event, &h->why);
	if (!*err) {
		v = room_version_find(version);
		if (!v) {
			h->errcode = "M_INCOMPATIBLE_ROOM_VERSION";
			*err = err_set(&h->why, ERR_INVALID, "the room's version is unknown");
		}
	}
	if (!*err)
		*err = check_template(h, event);
	if (!*err)
		*err = complete(h, a, event, v);
	arena_free(a);
	return *err ? DONE : SEND;
}

static enum state got_send(struct handshake *h, struct str body, enum err *err)
{
	(void)h, (void)body, (void)err;
	return DONE;
}

static const struct step steps[N_STATES] = {
	[MAKE] = { "make", ask_make, got_make },
	[SEND] = { "send", ask_send, got_send },
	[DONE] = { "done", NULL, NULL },
};

static void enter(struct handshake *h, enum state next, enum err err, struct str body)
{
	log_debug(h->rooms->log, "%s %.*s: %s -> %s", membership_of(h), STR_FMT(h->room_id),
		steps[h->state].name, steps[next].name);
	h->state = next;
	if (next == DONE)
		h->done(h, err, body); /* h may be gone after this line */
	else
		steps[next].enter(h);
}

/* What the other server says is what our client is told: its errcode where we know it. */
static void keep_reason(struct handshake *h, const struct room_call *c, enum err err)
{
	static const char *const codes[] = { "M_INCOMPATIBLE_ROOM_VERSION",
		"M_UNABLE_TO_AUTHORISE_JOIN", "M_UNABLE_TO_GRANT_JOIN", "M_FORBIDDEN" };
	size_t at;

	if (h->why.text[0] && err == ERR_UNREACHABLE)
		return;
	h->errcode = NULL;
	h->why = c->why;
	for (size_t i = 0; i < ARRAY_LEN(codes) && err != ERR_UNREACHABLE; i++)
		if (str_find_str(str_of(c->why.text), str_of(codes[i]), &at)) {
			h->errcode = codes[i];
			return;
		}
}

static void answered(struct room_call *c, enum err err, struct str body)
{
	struct handshake *h = CONTAINER_OF(c, struct handshake, call);
	enum state next = DONE;

	if (err)
		keep_reason(h, c, err);
	else
		next = steps[h->state].answer(h, body, &err);
	if (err && !h->pieces && h->at + 1 < h->n_servers) {
		log_info(h->rooms->log, "%s %.*s through %.*s failed in %s: %s",
			membership_of(h), STR_FMT(h->room_id), STR_FMT(h->server),
			steps[h->state].name, err_name(err));
		h->at++;
		event_free(h->event);
		h->event = NULL;
		next = MAKE;
	}
	if (next == DONE && err == ERR_MALFORMED)
		err = ERR_UNREACHABLE; /* the other server's fault, not our client's */
	c->why.text[0] = '\0';
	enter(h, next, err, body);
}

static void nobody(struct loop_deferred *d)
{
	struct handshake *h = CONTAINER_OF(d, struct handshake, deferred);
	enum err err = h->rooms->ops && !h->n_servers ? ERR_NOT_FOUND : ERR_UNREACHABLE;

	err_set(&h->why, err, "there is no server to ask about this room");
	h->done(h, err, (struct str){ 0 });
}

void handshake_start(struct handshake *h)
{
	h->at = 0;
	h->pieces = false;
	h->event = NULL;
	h->state = MAKE;
	h->why.text[0] = '\0';
	h->errcode = NULL;
	h->call = (struct room_call){ .done = answered };
	if (h->n_servers && h->rooms->ops) {
		enter(h, MAKE, ERR_OK, (struct str){ 0 });
		return;
	}
	h->deferred = (struct loop_deferred){ .fn = nobody };
	loop_defer(h->rooms->loop, &h->deferred);
}

void handshake_deinit(struct handshake *h)
{
	event_free(h->event);
	h->event = NULL;
}
