/*
 * session_int: what session.c and stream.c share; nobody else includes it.
 */
#ifndef KITH_TRANSPORT_SESSION_INT_H
#define KITH_TRANSPORT_SESSION_INT_H

#include "transport/ranges.h"
#include "transport/session.h"
#include "transport/wire.h"

#define PACKET_ITEMS 8 /* frames of one packet that must be sent again if it is lost */

enum session_frame {
	SF_PADDING,
	SF_PING,
	SF_ACK,
	SF_STREAM,
	SF_RESET,
	SF_STOP,
	SF_MAX_DATA,
	SF_MAX_STREAM,
	SF_MAX_STREAMS,
	SF_PATH_CHALLENGE,
	SF_PATH_RESPONSE,
	SF_CLOSE,
	SF_RECORD,
	SF_IDDOC,
};

/* A frame that was sent: what to do when it is acknowledged, or lost. */
struct item {
	enum session_frame type;
	uint64_t stream;
	uint64_t offset;
	uint64_t len;
	bool fin;
};

struct sent {
	uint64_t number;
	bool lost; /* its frames were queued again */
	uint8_t n_items;
	struct item items[PACKET_ITEMS];
};

/* Bytes that came too early. */
struct segment {
	struct segment *next; /* ascending offsets, no overlaps */
	uint64_t offset;
	size_t n;
	char bytes[];
};

struct stream {
	struct session *session;
	struct stream *next;
	uint64_t id;
	void *arg;
	bool bulk, released;

	/* Sending. out holds [out_base, out_base + out.n). */
	struct buf out;
	size_t out_head; /* bytes at the front of out that are acknowledged */
	uint64_t out_base;
	uint64_t out_next;    /* the next byte to send */
	uint64_t out_max;     /* the peer's limit */
	uint64_t out_reached; /* furthest byte ever sent: what the session's limit counts */
	struct ranges acked;  /* beyond out_base */
	bool fin, fin_sent, fin_acked;
	bool reset, reset_pending, reset_acked;
	uint64_t reset_code;

	/* Receiving. */
	uint64_t in_next;     /* the next byte to hand on */
	uint64_t in_reached;  /* furthest byte seen */
	uint64_t in_consumed; /* given back by the reader */
	uint64_t in_max;      /* the limit that we told */
	uint64_t in_window;
	uint64_t window_ms; /* when in_max was last told */
	uint64_t in_final;  /* UINT64_MAX: not known */
	bool in_done;       /* fin handed on, or reset */
	struct segment *early;
	bool max_pending;
	bool stop_pending, stopped;
	uint64_t stop_code;
};

struct session {
	const struct session_ops *ops;
	void *arg;
	uint64_t now_ms;

	struct stream *streams; /* in the order of service: the next one first */
	uint64_t next_id, peer_next_id;
	uint64_t opened_ours, allowed_ours; /* numbers of streams */
	uint64_t opened_theirs, allowed_theirs, closed_theirs;

	uint64_t out_total, out_max; /* bytes over all streams */
	uint64_t in_total, in_consumed, in_max, in_window;

	struct buf record, iddoc;
	uint64_t window_ms; /* when the peer was last told in_max */

	/* Packets. */
	uint64_t next_number, largest_acked;
	struct sent *sent; /* ascending numbers */
	size_t n_sent, cap_sent;
	size_t live_sent; /* of these, not lost */
	struct ranges seen;
	uint64_t ack_due_ms;
	unsigned unacked; /* packets of the peer that we owe an ACK */

	bool lower;        /* ours is the lower node key */
	bool busy;         /* reading a packet: nothing is collected before its end */
	bool wants_stream; /* stream_open() gave NULL */
	bool max_data_pending, max_streams_pending, record_pending, iddoc_pending;
	bool any_acked, ack_now;
};

void session_wake(struct session *s);

struct stream *stream_new(struct session *s, uint64_t id);
struct stream *stream_find(const struct session *s, uint64_t id);
void stream_free(struct stream *st);
/* Unlinks and frees it if nothing is left to do; not while a packet is being read, since
 * callbacks release streams that the reader still holds. */
void stream_collect(struct stream *st);

enum err stream_input(struct stream *st, uint64_t offset, bool fin, struct str bytes);
enum err stream_input_reset(struct stream *st, uint64_t code, uint64_t final_size);

/* Appends a STREAM frame of at most max bytes; false if nothing may be sent. */
bool stream_output(struct stream *st, size_t max, struct buf *out, struct item *item);
bool stream_has_output(const struct stream *st);
void stream_acked(struct stream *st, uint64_t offset, uint64_t len, bool fin);
/* Sends everything again that isn't acknowledged. */
void stream_path_lost(struct stream *st);

#endif
