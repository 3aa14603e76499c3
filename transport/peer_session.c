/* The session with a peer, on whatever link there is, and the calls that it carries. */
#include <string.h>

#include "transport/transport_int.h"

#define LOG_MODULE "session"

void peer_session_arm(struct peer *p)
{
	struct transport *t = p->contact->t;
	uint64_t now = now_of(t), next = p->session ? session_next_ms(p->session) : UINT64_MAX;

	if (next == UINT64_MAX)
		loop_timer_stop(t->o.loop, p->ack_timer);
	else
		loop_timer_set(t->o.loop, p->ack_timer, next > now ? next - now : 0);
	if (p->link)
		link_outstanding(
			p->link->link, now, p->session && session_outstanding(p->session));
}

static void session_wakes(void *arg)
{
	struct peer *p = arg;

	if (p->link)
		link_wake(p->link->link);
}

static void session_opened(void *arg, struct stream *st)
{
	struct peer *p = arg;

	if (!p->unproven) {
		incoming_opened(p, st);
		return;
	}
	stream_release(st);
	wlink_close(p->link, BYE_REVOKED, "not in the identity document");
}

static void session_data(void *arg, struct stream *st, struct str bytes, bool fin)
{
	(void)arg;
	if (stream_is_ours(st))
		call_data(stream_arg(st), bytes, fin);
	else
		incoming_data(stream_arg(st), bytes, fin);
}

static void session_reset(void *arg, struct stream *st, uint64_t code)
{
	(void)arg, (void)code;
	if (stream_is_ours(st))
		call_reset(stream_arg(st));
	else
		incoming_gone(stream_arg(st));
}

/* The peer doesn't want the rest of a request: its answer comes all the same. Of an answer:
 * nobody waits for it. */
static void session_stopped(void *arg, struct stream *st, uint64_t code)
{
	(void)arg, (void)code;
	if (!stream_is_ours(st))
		incoming_gone(stream_arg(st));
}

static void session_writable(void *arg, struct stream *st)
{
	(void)arg;
	if (!stream_is_ours(st))
		incoming_writable(stream_arg(st));
}

static void session_streams_free(void *arg)
{
	struct peer *p = arg;

	calls_up(p->contact);
}

static void session_record(void *arg, struct str record)
{
	struct peer *p = arg;

	if (peer_take_record(p, record) != ERR_OK)
		peer_strike(p, 3, "a bad node record");
}

static void session_iddoc(void *arg, struct str document)
{
	struct peer *p = arg;
	enum err err = peer_take_iddoc(p, document);

	if (err == ERR_MALFORMED || err == ERR_FORBIDDEN || err == ERR_INVALID)
		peer_strike(p, 3, "a bad identity document");
}

static const struct session_ops session_ops = {
	session_wakes,
	session_opened,
	session_data,
	session_reset,
	session_stopped,
	session_writable,
	session_streams_free,
	session_record,
	session_iddoc,
};

/* Not from inside session_input(): that is why what ends in its callbacks (a contact that is
 * forgotten) is ended by the transport's turn. */
void peer_session_reset(struct peer *p, const char *why)
{
	struct session *s = p->session;

	if (!s)
		return;
	calls_session_gone(p->contact, p, why);
	incomings_session_gone(p);
	p->session = NULL;
	session_free(s);
	peer_session_arm(p);
}

/* The session goes on if the peer still has its state, and begins anew if not. */
void peer_session_begin(struct peer *p, const struct hello *h)
{
	struct transport *t = p->contact->t;
	bool same = p->session && p->has_their_epoch && h->epoch.n == EPOCH_LEN &&
		memcmp(p->their_epoch, h->epoch.p, EPOCH_LEN) == 0;

	if (same) {
		session_path_up(p->session);
		if (h->iddoc_seq > iddoc_set_seq(&p->contact->docs))
			wlink_ask_iddoc(p->link);
		return;
	}
	peer_session_reset(p, "the peer began anew");
	p->session = session_new(
		&session_ops, p, memcmp(identity_node_public(t->identity), p->node, 32) < 0);
	p->has_their_epoch = h->epoch.n == EPOCH_LEN;
	if (p->has_their_epoch)
		memcpy(p->their_epoch, h->epoch.p, EPOCH_LEN);
	session_send_record(p->session, buf_str(&t->record));
	session_send_iddoc(p->session, identity_document(t->identity));
}
