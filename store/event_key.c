#include "store/event_key.h"

#include "node/base/base64.h"
#include "node/base/buf.h"

static bool has_any(struct str s, char a, char b)
{
	return str_find(s, a) < s.n || str_find(s, b) < s.n;
}

void event_key_of(struct event_key *k, struct str event_id)
{
	struct str text = str_skip(event_id, 1);
	bool v3 = has_any(text, '+', '/');

	k->bytes = event_id;
	k->flags = EVENT_KEY_TEXT;
	k->any_alphabet = false;
	if (!str_starts(event_id, STR("$")) || !base64_get_hash(k->hash, text, !v3))
		return;
	k->bytes = (struct str){ (const char *)k->hash, sizeof(k->hash) };
	k->flags = v3 ? EVENT_KEY_V3 : 0;
	k->any_alphabet = !v3 && !has_any(text, '-', '_');
}

struct str event_key_text(struct arena *a, struct str bytes, unsigned flags)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };

	if (flags & EVENT_KEY_TEXT)
		return arena_str(a, bytes);
	buf_put_u8(&text, '$');
	if (flags & EVENT_KEY_V3)
		base64_put(&text, bytes.p, bytes.n);
	else
		base64_put_url(&text, bytes.p, bytes.n);
	return arena_str(a, buf_str(&text));
}
