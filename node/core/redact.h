/*
 * redact: the redaction algorithm and the hashes that are over its result, on trees.
 *
 * content/rooms/vN.md "Redactions"; server-server API "Calculating the reference hash" and "the
 * content hash". event.c and sign.c stand on this; others use event_redact().
 */
#ifndef KITH_CORE_REDACT_H
#define KITH_CORE_REDACT_H

#include "node/base/buf.h"
#include "node/core/room_version.h"
#include "node/json/json.h"

#include <stdbool.h>

#define REDACT_HASH_BYTES 32

/* Appends the canonical text of pdu as its version redacts it, with or without signatures. A
 * PDU that was redacted before stays as it is. */
void redact_put(const struct json *pdu, const struct room_version *v, bool with_signatures,
	struct buf *out);

/* The same of an event's content (an object) alone. */
void redact_put_content(const struct json *content, const struct room_version *v,
	struct str type, struct buf *out);

/* SHA-256 of the redacted event without signatures: what is signed, and what names it. signed_
 * text, if not NULL, gets the bytes that were hashed. */
void redact_reference_hash(const struct json *pdu, const struct room_version *v,
	unsigned char hash[REDACT_HASH_BYTES], struct buf *signed_text);

/* SHA-256 of the event without unsigned, signatures and hashes. */
void redact_content_hash(const struct json *pdu, unsigned char hash[REDACT_HASH_BYTES]);

#endif
