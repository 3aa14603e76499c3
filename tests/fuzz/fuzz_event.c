/*
 * The first byte chooses a room version, the rest is a PDU: what event_parse takes is stable
 * when it is parsed, stored and redacted again, and can be looked at by everything pure.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "node/core/push.h"
#include "node/core/server_acl.h"
#include "node/core/sign.h"

static void look_at(const struct event *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct push_event pe = push_event_of(a, e);
	const struct push_context ctx = { .user_id = STR("@bob:s"),
		.display_name = STR("bob"),
		.member_count = 2,
		.power_levels = e };
	static const unsigned char key[32] = { 1 };
	struct str servers[3];
	size_t n = sign_event_servers(e, servers);

	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(sign_event_verify(e, servers[i], STR("ed25519:0"), key, NULL));
	(void)event_hash_ok(e);
	(void)push_evaluate(push_compile(a, e->content), &pe, &ctx);
	(void)server_acl_allows(server_acl_compile(a, e->content), STR("example.org:1"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(event_freep) struct event *e = NULL;
	CLEANUP(event_freep) struct event *again = NULL;
	CLEANUP(event_freep) struct event *stored = NULL;
	CLEANUP(event_freep) struct event *redacted = NULL;
	CLEANUP(event_freep) struct event *twice = NULL;
	const struct room_version *v;
	struct err_ctx why = { 0 };

	if (size < 1 || sodium_init() < 0)
		return 0;
	v = room_version_at(data[0] % 12);
	if (event_parse((struct str){ (const char *)data + 1, size - 1 }, v, &e, &why)) {
		FUZZ_CHECK(why.text[0]);
		return 0;
	}
	look_at(e);
	FUZZ_CHECK(event_parse(e->json, v, &again, NULL) == ERR_OK);
	FUZZ_CHECK(str_eq(again->json, e->json) && str_eq(again->event_id, e->event_id));
	FUZZ_CHECK(event_from_store(e->json, e->event_id, v, &stored) == ERR_OK);
	FUZZ_CHECK(str_eq(stored->room_id, e->room_id));
	FUZZ_CHECK(event_redact(e, &redacted) == ERR_OK);
	FUZZ_CHECK(event_redact(redacted, &twice) == ERR_OK);
	FUZZ_CHECK(str_eq(redacted->json, twice->json));
	again = (event_free(again), NULL);
	FUZZ_CHECK(event_parse(redacted->json, v, &again, NULL) == ERR_OK);
	FUZZ_CHECK(str_eq(again->event_id, e->event_id));
	look_at(redacted);
	return 0;
}
