#include "node/federation/federation.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/federation/inbound.h"
#include "node/federation/keyring.h"
#include "node/federation/parts.h"
#include "node/federation/sender.h"

struct federation *federation_new(const struct federation_options *options)
{
	struct federation *f = NEW(struct federation);

	f->o = *options;
	f->keyring = keyring_new(f);
	f->sender = sender_new(f);
	f->inbound = inbound_new(f);
	room_remote_fill(f, &f->room_ops);
	media_remote_fill(f, &f->media_ops);
	return f;
}

void federation_start(struct federation *f)
{
	f->running = true;
	sender_start(f->sender);
	transport_serve(f->o.transport,
		&(struct transport_handler){ .request = inbound_request,
			.acked = inbound_acked,
			.arg = f->inbound });
}

void federation_stop(struct federation *f)
{
	if (!f->running)
		return;
	f->running = false;
	f->stopped = true;
	sender_stop(f->sender);
	inbound_stop(f->inbound);
}

void federation_free(struct federation *f)
{
	if (!f)
		return;
	inbound_free(f->inbound);
	sender_free(f->sender);
	keyring_free(f->keyring);
	free(f);
}

const struct room_ops *federation_room_ops(const struct federation *f)
{
	return &f->room_ops;
}

const struct user_remote_ops *federation_user_ops(const struct federation *f)
{
	(void)f;
	return &user_remote_ops;
}

void *federation_user_ops_arg(struct federation *f)
{
	return f;
}

const struct media_remote_ops *federation_media_ops(const struct federation *f)
{
	return &f->media_ops;
}

void federation_status(const struct federation *f, struct federation_status *out)
{
	*out = (struct federation_status){ 0 };
	sender_status(f->sender, out);
	out->incoming = inbound_waiting(f->inbound);
	out->transactions_in = f->transactions_in;
}
