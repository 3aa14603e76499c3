/*
 * server_acl: which servers a room lets take part (client-server API, "Server Access Control
 * Lists"; m.room.server_acl).
 */
#ifndef KITH_CORE_SERVER_ACL_H
#define KITH_CORE_SERVER_ACL_H

#include "node/base/arena.h"
#include "node/json/json.h"

#include <stdbool.h>

struct server_acl;

/* Compiles the content of an m.room.server_acl event, once for each event; lives in a. What is
 * no string in a list matches nothing; a list that is none is empty. */
const struct server_acl *server_acl_compile(struct arena *a, const struct json *content);

/* May this server take part? acl NULL (no such event): yes. server may have a port. */
bool server_acl_allows(const struct server_acl *acl, struct str server);

#endif
