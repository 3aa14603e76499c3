/*
 * session: streams between two nodes, acknowledged and with flow control (overlay.md, section
 * 10).
 *
 * A pure state machine over packets. DIRECT alone so far: packets ride in a link's frames,
 * under the link's keys, in order and without loss; so there are no timers for loss and no
 * congestion window. What is lost is what was under way when a link died: session_path_up()
 * sends again what the peer hasn't acknowledged, and the streams go on over the new link.
 *
 * Without a handshake of its own a DIRECT session has no initiator: the node with the lower
 * node key opens even streams, the other odd ones. Numbers of stream ids are used in order.
 *
 * Packet (inside frame DIRECT, without a tag): byte 0 as in overlay.md, number, frames. The
 * fields that overlay.md leaves open, all varints: ACK {largest, delay in ms, runs n, length of
 * the first run minus 1, (n-1) x {gap minus 1, length minus 1}, congestion count}; lengths
 * before the bytes of RECORD, IDDOC and CLOSE's text.
 *
 * Callbacks come from inside the calls below; they may call anything but session_free().
 */
#ifndef KITH_TRANSPORT_SESSION_H
#define KITH_TRANSPORT_SESSION_H

#include "node/base/buf.h"
#include "node/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_STREAMS     64
#define SESSION_WINDOW      1048576
#define STREAM_WINDOW       262144
#define STREAM_WINDOW_MAX   8388608
#define SESSION_ACK_MS      20
#define SESSION_UNACKED_MAX 1024 /* packets under way */
#define SESSION_DOC_MAX     6144 /* RECORD and IDDOC */

struct session;
struct stream;

struct session_ops {
	/* There is something to send, or session_next_ms() changed. */
	void (*wake)(void *arg);
	/* The peer opened a stream; set its arg with stream_set_arg(). */
	void (*opened)(void *arg, struct stream *st);
	/* Bytes in order; fin with the last ones (possibly none). Each byte must be given back
	 * with stream_consumed(), now or later. */
	void (*data)(void *arg, struct stream *st, struct str bytes, bool fin);
	/* The peer gave up sending (RESET) or doesn't want what we send (STOP). */
	void (*reset)(void *arg, struct stream *st, uint64_t code);
	void (*stopped)(void *arg, struct stream *st, uint64_t code);
	/* Fewer bytes than before wait to be acknowledged. */
	void (*writable)(void *arg, struct stream *st);
	/* Another stream may be opened, after stream_open() gave NULL. */
	void (*streams_free)(void *arg);
	void (*record)(void *arg, struct str record);
	void (*iddoc)(void *arg, struct str document);
};

/* lower: ours is the lower node key. */
struct session *session_new(const struct session_ops *ops, void *arg, bool lower);
/* Streams still held get no callback. */
void session_free(struct session *s);

/* One packet's bytes. ERR_MALFORMED: the session is of no more use, close it. */
enum err session_input(struct session *s, uint64_t now_ms, struct str packet) MUST_CHECK;

/* Appends the next packet of at most max bytes; false if there is none. *bulk: holds nothing
 * interactive. */
bool session_output(
	struct session *s, uint64_t now_ms, size_t max, struct buf *packet, bool *bulk);

/* When an acknowledgement is due; UINT64_MAX: none. session_tick() then. */
uint64_t session_next_ms(const struct session *s);
void session_tick(struct session *s, uint64_t now_ms);

/* A new link carries the session from now on. */
void session_path_up(struct session *s);
/* Has the peer something to acknowledge? */
bool session_outstanding(const struct session *s);

/* Documents, sent as soon as there is a path; a newer one replaces one not yet sent. */
void session_send_record(struct session *s, struct str record);
void session_send_iddoc(struct session *s, struct str document);

/* NULL: the peer allows no more for the moment. bulk: after interactive ones. */
struct stream *stream_open(struct session *s, void *arg, bool bulk);
void stream_set_arg(struct stream *st, void *arg);
void *stream_arg(const struct stream *st);
bool stream_is_ours(const struct stream *st);
void stream_set_bulk(struct stream *st, bool bulk);

/* Queues bytes; the bound is the caller's (stream_queued()). Nothing after fin or a reset. */
void stream_write(struct stream *st, struct str bytes, bool fin);
size_t stream_queued(const struct stream *st);
void stream_consumed(struct stream *st, size_t n);
void stream_reset(struct stream *st, uint64_t code); /* we send no more */
void stream_stop(struct stream *st, uint64_t code);  /* we want no more */

/* The owner is done with it: no more callbacks, and it goes when the peer has all it needs.
 * What it hadn't finished is reset and stopped. */
void stream_release(struct stream *st);

#endif
