/*
 * limits: every bound on what others may ask of a node (security.md, "Default limits in one
 * place"), so that a test can stand on each edge. Bytes unless the name says otherwise.
 */
#ifndef KITH_BASE_LIMITS_H
#define KITH_BASE_LIMITS_H

/* Events (room version specifications, "Size limits"). */
#define LIMIT_EVENT_BYTES 65536
#define LIMIT_ID_BYTES    255
#define LIMIT_PREV_EVENTS 20
#define LIMIT_AUTH_EVENTS 10
#define LIMIT_TXN_PDUS    50
#define LIMIT_TXN_EDUS    100

/* JSON. */
#define LIMIT_CLIENT_JSON_DEPTH  64
#define LIMIT_CLIENT_JSON_VALUES 100000
#define LIMIT_CLIENT_JSON_KEYS   10000
#define LIMIT_EVENT_JSON_DEPTH   1000
#define LIMIT_PEER_JSON_BYTES    (64L * 1024 * 1024)
#define LIMIT_PEER_JSON_VALUES   10000000

/* HTTP. */
#define LIMIT_HTTP_REQUEST_LINE  8192
#define LIMIT_HTTP_HEADERS       16384
#define LIMIT_HTTP_HEADER_LINES  64
#define LIMIT_BODY_DEFAULT       (1024L * 1024)
#define LIMIT_BODY_EVENT         (68L * 1024)
#define LIMIT_BODY_KEYS          (10L * 1024 * 1024)
#define LIMIT_BODY_MEDIA         (50L * 1024 * 1024)
#define LIMIT_HTTP_OUT_BUFFERED  (1024L * 1024)
#define LIMIT_HTTP_HEADERS_MS    10000
#define LIMIT_HTTP_IDLE_MS       60000
#define LIMIT_HTTP_STALLED_MS    30000
#define LIMIT_HTTP_CONNS_IDLE    10000
#define LIMIT_HTTP_CONNS_ACTIVE  1024
#define LIMIT_HTTP_CONNS_ADDRESS 256

/* Accounts. */
#define LIMIT_PASSWORD_BYTES     512
#define LIMIT_DISPLAYNAME_BYTES  256
#define LIMIT_AVATAR_URL_BYTES   1000
#define LIMIT_DEVICE_NAME_BYTES  100
#define LIMIT_USER_DEVICES       100
#define LIMIT_ACCOUNT_DATA_BYTES (64L * 1024)
#define LIMIT_ACCOUNT_DATA_TOTAL (10L * 1024 * 1024)
#define LIMIT_FILTER_BYTES       (64L * 1024)
#define LIMIT_PENDING_UPLOADS    100
#define LIMIT_PUSH_RULES         1000
#define LIMIT_PUSHERS            20
#define LIMIT_KEYS_QUERY_USERS   10000
#define LIMIT_ONE_TIME_KEYS      100
#define LIMIT_UIA_MS             (15L * 60 * 1000)
#define LIMIT_TO_DEVICE_MESSAGES 10000
#define LIMIT_TO_DEVICE_BYTES    (10L * 1024 * 1024)

/* Rooms and sync. */
#define LIMIT_CREATE_INVITES      100
#define LIMIT_SYNC_MS             (5L * 60 * 1000)
#define LIMIT_SYNC_PARKED_USER    32
#define LIMIT_TIMELINE_EVENTS     1000
#define LIMIT_MESSAGES_PAGE       1000
#define LIMIT_SEARCH_PAGE         100
#define LIMIT_FORWARD_EXTREMITIES 10
#define LIMIT_GAP_EVENTS          20 /* get_missing_events, one request */
#define LIMIT_GAP_REQUESTS        5
#define LIMIT_JOIN_EVENTS         500000
#define LIMIT_JOIN_BYTES          (1024L * 1024 * 1024)

/* Peers. */
#define LIMIT_STRANGER_INVITES     100
#define LIMIT_STRANGER_DAY_INVITES 10 /* of one identity that is no contact */
#define LIMIT_PEER_IN_FLIGHT       64
#define LIMIT_PEER_DAY_BYTES       (100UL * 1024 * 1024) /* that one server has us store */
#define LIMIT_PEER_DAY_ROOMS       20                    /* that it brings us */

/* Memory for caches in all, shared out by node.c. */
#define LIMIT_CACHE_BYTES        (32L * 1024 * 1024)
#define LIMIT_CACHE_BYTES_MOBILE (8L * 1024 * 1024)

#endif
