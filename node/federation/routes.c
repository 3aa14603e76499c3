/*
 * routes: the server-server API as a table.
 */
#include "node/federation/inbound.h"
#include "node/federation/serve.h"

#define V1 "/_matrix/federation/v1/"
#define V2 "/_matrix/federation/v2/"

const struct inbound_route inbound_routes[] = {
	{ "getVersion", "GET", V1 "version", serve_version },
	{ "getServerKey", "GET", "/_matrix/key/v2/server", serve_key },
	{ "sendTransaction", "PUT", V1 "send/{txnId}", serve_transaction },

	{ "makeJoin", "GET", V1 "make_join/{roomId}/{userId}", serve_make_join },
	{ "sendJoinV2", "PUT", V2 "send_join/{roomId}/{eventId}", serve_send_join },
	{ "makeLeave", "GET", V1 "make_leave/{roomId}/{userId}", serve_make_leave },
	{ "sendLeaveV2", "PUT", V2 "send_leave/{roomId}/{eventId}", serve_send_leave },
	{ "makeKnock", "GET", V1 "make_knock/{roomId}/{userId}", serve_make_knock },
	{ "sendKnock", "PUT", V1 "send_knock/{roomId}/{eventId}", serve_send_knock },
	{ "sendInviteV1", "PUT", V1 "invite/{roomId}/{eventId}", serve_invite_v1 },
	{ "sendInviteV2", "PUT", V2 "invite/{roomId}/{eventId}", serve_invite_v2 },

	{ "backfillRoom", "GET", V1 "backfill/{roomId}", serve_backfill },
	{ "getMissingPreviousEvents", "POST", V1 "get_missing_events/{roomId}",
		serve_missing_events },
	{ "getRoomState", "GET", V1 "state/{roomId}", serve_state },
	{ "getRoomStateIds", "GET", V1 "state_ids/{roomId}", serve_state_ids },
	{ "getEvent", "GET", V1 "event/{eventId}", serve_event },
	{ "getEventAuth", "GET", V1 "event_auth/{roomId}/{eventId}", serve_event_auth },

	{ "queryProfile", "GET", V1 "query/profile", serve_profile },
	{ "queryRoomDirectory", "GET", V1 "query/directory", serve_directory },
	{ "getUserDevices", "GET", V1 "user/devices/{userId}", serve_devices },
	{ "queryUserEncryptionKeys", "POST", V1 "user/keys/query", serve_keys_query },
	{ "claimUserEncryptionKeys", "POST", V1 "user/keys/claim", serve_keys_claim },
	{ "exchangeOpenIdToken", "GET", V1 "openid/userinfo", serve_openid },

	{ "getContent", "GET", V1 "media/download/{mediaId}", serve_download },
	{ "getContentThumbnail", "GET", V1 "media/thumbnail/{mediaId}", serve_thumbnail },
	{ 0 },
};
