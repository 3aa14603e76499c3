#include "transport/request.h"

#include "transport/acked.h"
#include "transport/packer.h"
#include "transport/wire.h"

#define KIND_REQUEST  1
#define KIND_RESPONSE 2

#define TLV_TYPE        1
#define TLV_DISPOSITION 2
#define TLV_RETRY       3
#define TLV_ACKED       4

void request_put(const struct request_head *h, struct buf *out)
{
	buf_put_u8(out, KIND_REQUEST);
	buf_put_u8(out, (uint8_t)h->method);
	buf_put_u8(out, h->flags);
	wire_put_var_bytes(out, h->path);
	wire_put_varint(out, h->sequence);
	wire_put_varint(out, h->length);
}

void response_put(const struct response_head *h, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf tlvs = { 0 };

	if (h->content_type.n > 0)
		wire_put_tlv(&tlvs, TLV_TYPE, h->content_type);
	if (h->disposition.n > 0)
		wire_put_tlv(&tlvs, TLV_DISPOSITION, h->disposition);
	if (h->retry_after_ms > 0) {
		buf_put_u8(&tlvs, TLV_RETRY);
		wire_put_varint(&tlvs, 8);
		buf_put_be64(&tlvs, h->retry_after_ms);
	}
	if (h->acked.n > 0)
		wire_put_tlv(&tlvs, TLV_ACKED, h->acked);
	buf_put_u8(out, KIND_RESPONSE);
	wire_put_varint(out, h->status);
	buf_put_u8(out, h->flags);
	wire_put_var_bytes(out, buf_str(&tlvs));
	wire_put_varint(out, h->length);
}

/* A reader that ran out of bytes and one that met nonsense look alike; only the length tells.
 */
static enum err incomplete(struct str bytes)
{
	return bytes.n < REQUEST_HEAD_MAX ? ERR_LIMIT : ERR_MALFORMED;
}

/* What goes into a request line elsewhere must not be able to end it. */
static bool printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] >= 127)
			return false;
	}
	return true;
}

static bool header_safe(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return false;
	}
	return s.n <= REQUEST_FIELD_MAX;
}

enum err request_get(struct str bytes, struct request_head *out, size_t *used)
{
	struct wire w = wire_of(bytes);
	struct request_head h = { 0 };
	uint8_t kind = wire_u8(&w), method = wire_u8(&w);
	uint64_t n;

	h.flags = wire_u8(&w);
	if (w.bad)
		return incomplete(bytes);
	if (kind != KIND_REQUEST || method > TRANSPORT_DELETE || !packer_flags_ok(h.flags))
		return ERR_MALFORMED;
	h.method = (enum transport_method)method;
	n = wire_varint(&w);
	if (!w.bad && n > REQUEST_PATH_MAX)
		return ERR_MALFORMED;
	h.path = wire_bytes(&w, (size_t)n);
	h.sequence = wire_varint(&w);
	h.length = wire_varint(&w);
	if (w.bad)
		return incomplete(bytes);
	if (!printable(h.path))
		return ERR_MALFORMED;
	*out = h;
	*used = bytes.n - w.rest.n;
	return ERR_OK;
}

static bool response_tlvs(struct str tlvs, struct response_head *h)
{
	struct wire w = wire_of(tlvs);
	const uint64_t known =
		1u << TLV_TYPE | 1u << TLV_DISPOSITION | 1u << TLV_RETRY | 1u << TLV_ACKED;
	struct acked acked;
	struct str value;
	uint8_t type;

	while (wire_tlv(&w, known, &type, &value)) {
		struct wire v = wire_of(value);

		if (type == TLV_TYPE)
			h->content_type = value;
		else if (type == TLV_DISPOSITION)
			h->disposition = value;
		else if (type == TLV_ACKED)
			h->acked = value;
		else
			h->retry_after_ms = wire_u64(&v);
		if (type == TLV_RETRY && !wire_done(&v))
			return false;
	}
	return wire_done(&w) && (h->acked.n == 0 || acked_get(h->acked, &acked)) &&
		header_safe(h->content_type) && header_safe(h->disposition);
}

enum err response_get(struct str bytes, struct response_head *out, size_t *used)
{
	struct wire w = wire_of(bytes);
	struct response_head h = { 0 };
	uint8_t kind = wire_u8(&w);
	uint64_t status = wire_varint(&w);
	struct str tlvs;

	h.flags = wire_u8(&w);
	if (w.bad)
		return incomplete(bytes);
	if (kind != KIND_RESPONSE || status < 100 || status > 599 || !packer_flags_ok(h.flags))
		return ERR_MALFORMED;
	tlvs = wire_var_bytes(&w, REQUEST_HEAD_MAX);
	h.length = wire_varint(&w);
	if (w.bad)
		return incomplete(bytes);
	h.status = (unsigned)status;
	if (!response_tlvs(tlvs, &h))
		return ERR_MALFORMED;
	*out = h;
	*used = bytes.n - w.rest.n;
	return ERR_OK;
}
