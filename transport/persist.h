/*
 * persist: the few values that the overlay keeps (overlay.md, section 16, `env.persist`).
 *
 * An ops struct, so that transport/ knows no database: the program puts store/peer.h behind it,
 * tests a list in memory. Values are transport's own encodings, opaque to whoever keeps them.
 */
#ifndef KITH_TRANSPORT_PERSIST_H
#define KITH_TRANSPORT_PERSIST_H

#include "node/base/compiler.h"
#include "node/base/err.h"
#include "node/base/str.h"

/* What a value is. The numbers are stored: never reuse one. */
enum transport_value {
	TRANSPORT_VALUE_CONTACT = 1,  /* key: identity key; transport/contact.h */
	TRANSPORT_VALUE_INVITE = 2,   /* key: invite id */
	TRANSPORT_VALUE_BLOCK = 3,    /* key: the text of what is blocked */
	TRANSPORT_VALUE_SETTING = 4,  /* key: its name ("port", "record-seq") */
	TRANSPORT_VALUE_DOCUMENT = 5, /* key: identity key; its identity document */
};

struct transport_persist {
	/* Calls each() for every value of the kind; both borrowed. Stops at its first error. */
	enum err (*load)(struct transport_persist *p, enum transport_value kind,
		enum err (*each)(void *arg, struct str key, struct str value), void *arg);
	/* Replaces. Done when it returns, durable when durable() says so. */
	enum err (*put)(struct transport_persist *p, enum transport_value kind, struct str key,
		struct str value);
	enum err (*del)(struct transport_persist *p, enum transport_value kind, struct str key);
	/* Calls done once, never before returning, when all puts so far are on disk or lost. */
	void (*durable)(
		struct transport_persist *p, void (*done)(void *arg, enum err err), void *arg);
};

#endif
