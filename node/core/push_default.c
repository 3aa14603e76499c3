#include "node/core/push.h"

#define TYPE(type)      "{\"kind\":\"event_match\",\"key\":\"type\",\"pattern\":\"" type "\"}"
#define EMPTY_STATE_KEY "{\"kind\":\"event_match\",\"key\":\"state_key\",\"pattern\":\"\"}"
#define TWO_MEMBERS     "{\"kind\":\"room_member_count\",\"is\":\"2\"}"
#define SOUND(sound)    "{\"set_tweak\":\"sound\",\"value\":\"" sound "\"}"
#define HIGHLIGHT       "{\"set_tweak\":\"highlight\"}"
#define OVERRIDE(id)    "override", ".m.rule." id, true
#define UNDERRIDE(id)   "underride", ".m.rule." id, true

/* Client-server API, "Predefined Rules". */
static const struct push_default defaults[] = {
	{ "override", ".m.rule.master", false, "[]", "[]" },
	{ OVERRIDE("suppress_notices"),
		"[{\"kind\":\"event_match\",\"key\":\"content.msgtype\","
		"\"pattern\":\"m.notice\"}]",
		"[]" },
	{ OVERRIDE("invite_for_me"),
		"[" TYPE("m.room.member") ",{\"kind\":\"event_match\",\"key\":"
					  "\"content.membership\",\"pattern\":\"invite\"},"
					  "{\"kind\":\"event_match\",\"key\":\"state_key\","
					  "\"pattern\":\"@\"}]",
		"[\"notify\"," SOUND("default") "]" },
	{ OVERRIDE("member_event"), "[" TYPE("m.room.member") "]", "[]" },
	{ OVERRIDE("is_user_mention"),
		"[{\"kind\":\"event_property_contains\",\"key\":"
		"\"content.m\\\\.mentions.user_ids\",\"value\":\"@\"}]",
		"[\"notify\"," SOUND("default") "," HIGHLIGHT "]" },
	{ OVERRIDE("is_room_mention"),
		"[{\"kind\":\"event_property_is\",\"key\":\"content.m\\\\.mentions.room\","
		"\"value\":true},{\"kind\":\"sender_notification_permission\",\"key\":\"room\"}"
		"]",
		"[\"notify\"," HIGHLIGHT "]" },
	{ OVERRIDE("tombstone"), "[" TYPE("m.room.tombstone") "," EMPTY_STATE_KEY "]",
		"[\"notify\"," HIGHLIGHT "]" },
	{ OVERRIDE("reaction"), "[" TYPE("m.reaction") "]", "[]" },
	{ OVERRIDE("room.server_acl"), "[" TYPE("m.room.server_acl") "," EMPTY_STATE_KEY "]",
		"[]" },
	{ OVERRIDE("suppress_edits"),
		"[{\"kind\":\"event_property_is\",\"key\":"
		"\"content.m\\\\.relates_to.rel_type\",\"value\":\"m.replace\"}]",
		"[]" },
	{ UNDERRIDE("call"), "[" TYPE("m.call.invite") "]", "[\"notify\"," SOUND("ring") "]" },
	{ UNDERRIDE("encrypted_room_one_to_one"),
		"[" TWO_MEMBERS "," TYPE("m.room.encrypted") "]",
		"[\"notify\"," SOUND("default") "]" },
	{ UNDERRIDE("room_one_to_one"), "[" TWO_MEMBERS "," TYPE("m.room.message") "]",
		"[\"notify\"," SOUND("default") "]" },
	{ UNDERRIDE("message"), "[" TYPE("m.room.message") "]", "[\"notify\"]" },
	{ UNDERRIDE("encrypted"), "[" TYPE("m.room.encrypted") "]", "[\"notify\"]" },
};

const struct push_default *push_default_at(size_t i)
{
	return i < ARRAY_LEN(defaults) ? &defaults[i] : NULL;
}

const struct push_default *push_default_find(struct str kind, struct str rule_id)
{
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		if (str_eq(kind, str_of(defaults[i].kind)) &&
			str_eq(rule_id, str_of(defaults[i].rule_id)))
			return &defaults[i];
	}
	return NULL;
}

void push_default_put(const struct push_default *d, struct str user_id, bool enabled,
	struct str actions, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf user = { 0 };
	struct jw quoted = jw_to(&user);
	struct jw w = jw_to(out);
	struct str head;
	struct str rest = str_of(d->conditions);

	jw_str(&quoted, user_id);
	jw_obj(&w);
	jw_kv_raw(&w, "actions", actions.p ? actions : str_of(d->actions));
	jw_kv_raw(&w, "conditions", STR(""));
	while (str_cut(rest, '@', &head, &rest)) {
		buf_put_str(out, head);
		/* without the quotes: those around @ stay */
		buf_put(out, user.p + 1, user.n - 2);
	}
	buf_put_str(out, head);
	jw_kv_bool(&w, "default", true);
	jw_kv_bool(&w, "enabled", enabled);
	jw_kv_z(&w, "rule_id", d->rule_id);
	jw_end(&w);
}
