/*
 * parts: struct federation, for the files of node/federation alone.
 */
#ifndef KITH_FEDERATION_PARTS_H
#define KITH_FEDERATION_PARTS_H

#include "node/federation/federation.h"

struct inbound;
struct keyring;
struct sender;

struct federation {
	struct federation_options o;
	struct keyring *keyring; /* owned, as the next two */
	struct sender *sender;
	struct inbound *inbound;
	struct room_ops room_ops;
	struct media_remote_ops media_ops;
	uint64_t transactions_in;
	bool running;
	bool stopped; /* the transport may be gone: nobody is asked any more */
};

/* What room, user and media ask: room_remote.c, user_remote.c, media_remote.c. */
void room_remote_fill(struct federation *f, struct room_ops *ops);
extern const struct user_remote_ops user_remote_ops; /* arg: struct federation */
void media_remote_fill(struct federation *f, struct media_remote_ops *ops);

#endif
