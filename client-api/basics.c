/*
 * basics: what a client asks before and beside everything else (client-server API, "Server
 * Discovery", "API Versions", "Capabilities negotiation"; voip module).
 */
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/core/room_version.h"

/* The versions of the specification whose endpoints and behaviour are here. */
static const char *const versions[] = { "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7",
	"v1.8", "v1.9", "v1.10", "v1.11", "v1.12" };

/* Flags that clients look for before they use what is stable by now, or not yet. */
static const char *const unstable_features[] = {
	"org.matrix.e2e_cross_signing", "org.matrix.msc4222", /* state_after in /sync */
};

static enum err get_versions(struct request *r)
{
	struct jw w;
	reply_begin(r, &w);
	jw_obj(&w);
	jw_key(&w, "versions");
	jw_arr(&w);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		jw_z(&w, versions[i]);
	jw_end(&w);
	jw_key(&w, "unstable_features");
	jw_obj(&w);
	for (size_t i = 0; i < ARRAY_LEN(unstable_features); i++)
		jw_kv_bool(&w, unstable_features[i], true);
	jw_end(&w);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static enum err get_well_known(struct request *r)
{
	struct str url = r->api->base_url;
	struct jw w;

	/* Where the request went to, clients can come again. */
	if (!url.n)
		url = arena_printf(r->arena, "http://%.*s", STR_FMT(r->host));
	reply_begin(r, &w);
	jw_obj(&w);
	jw_key(&w, "m.homeserver");
	jw_obj(&w);
	jw_kv_str(&w, "base_url", url);
	jw_end(&w);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static void put_enabled(struct jw *w, const char *capability, bool enabled)
{
	jw_key(w, capability);
	jw_obj(w);
	jw_kv_bool(w, "enabled", enabled);
	jw_end(w);
}

static enum err get_capabilities(struct request *r)
{
	const struct room_version *v;
	struct jw w;

	reply_begin(r, &w);
	jw_obj(&w);
	jw_key(&w, "capabilities");
	jw_obj(&w);
	jw_key(&w, "m.room_versions");
	jw_obj(&w);
	jw_kv_str(&w, "default", r->api->default_room_version);
	jw_key(&w, "available");
	jw_obj(&w);
	for (size_t i = 0; (v = room_version_at(i)); i++)
		if (v->offered)
			jw_kv_z(&w, v->name, "stable");
	jw_end(&w);
	jw_end(&w);
	put_enabled(&w, "m.change_password", true);
	put_enabled(&w, "m.set_displayname", true);
	put_enabled(&w, "m.set_avatar_url", true);
	put_enabled(&w, "m.3pid_changes", false);
	put_enabled(&w, "m.get_login_token", true);
	jw_end(&w);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

/* No TURN server: clients then connect calls directly. */
static enum err get_turn_server(struct request *r)
{
	reply_empty(r);
	return ERR_OK;
}

const struct route basics_routes[] = {
	{ "getVersions", "GET", "/_matrix/client/versions", AUTH_OPTIONAL, COST_FREE,
		get_versions },
	{ "getWellknown", "GET", "/.well-known/matrix/client", AUTH_NONE, COST_FREE,
		get_well_known },
	{ "getCapabilities", "GET", "/_matrix/client/v3/capabilities", AUTH_TOKEN_OR_GUEST,
		COST_READ, get_capabilities },
	{ "getTurnServer", "GET", "/_matrix/client/v3/voip/turnServer", AUTH_TOKEN, COST_READ,
		get_turn_server },
	{ 0 },
};
