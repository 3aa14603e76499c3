/*
 * routes: the server-server API as a table.
 */
#include "node/federation/answer.h"
#include "node/federation/inbound.h"

#define V1 "/_matrix/federation/v1/"
#define V2 "/_matrix/federation/v2/"

const struct inbound_route inbound_routes[] = {
	{ "getVersion", "GET", V1 "version", answer_version },
	{ "getServerKey", "GET", "/_matrix/key/v2/server", answer_key },
	{ "sendTransaction", "PUT", V1 "send/{txnId}", answer_transaction },

	{ "makeJoin", "GET", V1 "make_join/{roomId}/{userId}", answer_make_join },
	{ "sendJoinV2", "PUT", V2 "send_join/{roomId}/{eventId}", answer_send_join },
	{ "makeLeave", "GET", V1 "make_leave/{roomId}/{userId}", answer_make_leave },
	{ "sendLeaveV2", "PUT", V2 "send_leave/{roomId}/{eventId}", answer_send_leave },
	{ "makeKnock", "GET", V1 "make_knock/{roomId}/{userId}", answer_make_knock },
	{ "sendKnock", "PUT", V1 "send_knock/{roomId}/{eventId}", answer_send_knock },
	{ "sendInviteV1", "PUT", V1 "invite/{roomId}/{eventId}", answer_invite_v1 },
	{ "sendInviteV2", "PUT", V2 "invite/{roomId}/{eventId}", answer_invite_v2 },

	{ "backfillRoom", "GET", V1 "backfill/{roomId}", answer_backfill },
	{ "getMissingPreviousEvents", "POST", V1 "get_missing_events/{roomId}",
		answer_missing_events },
	{ "getRoomState", "GET", V1 "state/{roomId}", answer_state },
	{ "getRoomStateIds", "GET", V1 "state_ids/{roomId}", answer_state_ids },
	{ "getEvent", "GET", V1 "event/{eventId}", answer_event },
	{ "getEventAuth", "GET", V1 "event_auth/{roomId}/{eventId}", answer_event_auth },

	{ "queryProfile", "GET", V1 "query/profile", answer_profile },
	{ "queryRoomDirectory", "GET", V1 "query/directory", answer_directory },
	{ "getUserDevices", "GET", V1 "user/devices/{userId}", answer_devices },
	{ "queryUserEncryptionKeys", "POST", V1 "user/keys/query", answer_keys_query },
	{ "claimUserEncryptionKeys", "POST", V1 "user/keys/claim", answer_keys_claim },
	{ "exchangeOpenIdToken", "GET", V1 "openid/userinfo", answer_openid },

	{ "getContent", "GET", V1 "media/download/{mediaId}", answer_download },
	{ "getContentThumbnail", "GET", V1 "media/thumbnail/{mediaId}", answer_thumbnail },
	{ 0 },
};
