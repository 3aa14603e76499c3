/*
 * sender: the outbox at work (store/outbox.h; overlay.md, section 11; server-server API,
 * "Transactions").
 *
 * For each destination at most one transaction is on its way, of at most 50 PDUs and 100 EDUs.
 * It is made from what the store says is waiting, so nothing is kept in memory but a position
 * for each destination. What fails is left alone for a while (2 s doubling to an hour, 20 %
 * jitter; kept over restarts), until then or until the peer connects or sends us something.
 *
 * A transaction that got no answer may have taken effect. It is sent again as it was, under the
 * same id and without what came since, so that the other side knows it for a repeat, unless
 * that side says in the meantime that it has it (transport/acked.h). Its word counts for what
 * this process sent it, no further: nobody acknowledges what he never got. After a restart of
 * ours what went unanswered is sent anew; events are then known by their ids, to-device
 * messages by theirs. Nothing runs while nothing waits.
 */
#ifndef KITH_FEDERATION_SENDER_H
#define KITH_FEDERATION_SENDER_H

#include "node/federation/parts.h"

struct sender *sender_new(struct federation *f);
void sender_start(struct sender *s);
/* Nothing new is sent; positions reached are written. */
void sender_stop(struct sender *s);
void sender_free(struct sender *s); /* no transaction may be on its way */

/* A peer is there: connected, or it just sent us something. */
void sender_peer_seen(struct sender *s, struct str name);

void sender_status(const struct sender *s, struct federation_status *out);

#endif
