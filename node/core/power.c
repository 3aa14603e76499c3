#include "node/core/power.h"

#define POWER_MAX (POWER_INFINITE - 1)
#define POWER_MIN (-POWER_MAX)

/* content/rooms/v1.md, "power_levels events accept values as strings": blanks around, one sign,
 * digits. Beyond 64 bits it saturates: only the order of levels counts. */
static bool value_of_text(struct str s, int64_t *out)
{
	struct str digits = str_trim(s);
	bool negative = false;
	int64_t value = 0;

	if (digits.n && (digits.p[0] == '-' || digits.p[0] == '+')) {
		negative = digits.p[0] == '-';
		digits = str_skip(digits, 1);
	}
	if (digits.n == 0)
		return false;
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, digits.p[i] - '0', &value))
			value = POWER_MAX;
	}
	if (value > POWER_MAX)
		value = POWER_MAX;
	*out = negative ? -value : value;
	return true;
}

static bool value_of_double(double d, int64_t *out)
{
	if (d >= 9.2e18)
		*out = POWER_MAX;
	else if (d <= -9.2e18)
		*out = POWER_MIN;
	else
		*out = (int64_t)d;
	return true;
}

bool power_value(const struct room_version *v, const struct json *j, int64_t *out)
{
	struct str text;
	double d;

	if (json_as_int(j, out))
		return true;
	if (v->integer_levels)
		return false;
	if (json_as_str(j, &text))
		return value_of_text(text, out);
	return json_as_double(j, &d) && value_of_double(d, out);
}

static int64_t level(
	const struct event *levels, const struct json *in, const char *key, int64_t or_else)
{
	int64_t value;

	if (levels && power_value(levels->version, json_get(in, key), &value))
		return value;
	return or_else;
}

struct str power_creator(const struct event *create)
{
	struct str creator = { 0 };

	if (create->version->implicit_creator)
		return create->sender;
	(void)json_as_str(json_get(create->content, "creator"), &creator);
	return creator;
}

bool power_is_creator(const struct event *create, struct str user_id)
{
	const struct json *more;
	struct str id;

	if (!create->version->creator_power)
		return false;
	if (str_eq(create->sender, user_id))
		return true;
	more = json_get(create->content, "additional_creators");
	if (!json_is(more, JSON_ARRAY))
		return false;
	for (const struct json *m = json_first(more); m; m = json_next(m))
		if (json_as_str(m, &id) && str_eq(id, user_id))
			return true;
	return false;
}

int64_t power_of_user(
	const struct event *create, const struct event *levels, struct str user_id)
{
	const struct json *entry;
	int64_t value;

	if (power_is_creator(create, user_id))
		return POWER_INFINITE;
	if (!levels)
		return !create->version->creator_power && str_eq(power_creator(create), user_id)
			? 100
			: 0;
	entry = json_get_str(json_get(levels->content, "users"), user_id);
	if (power_value(levels->version, entry, &value))
		return value;
	return level(levels, levels->content, "users_default", 0);
}

int64_t power_to_send(
	const struct event *create, const struct event *levels, struct str type, bool is_state)
{
	const struct json *entry;
	int64_t value;

	(void)create;
	if (!levels)
		return is_state ? 50 : 0;
	entry = json_get_str(json_get(levels->content, "events"), type);
	if (power_value(levels->version, entry, &value))
		return value;
	return is_state ? level(levels, levels->content, "state_default", 50)
			: level(levels, levels->content, "events_default", 0);
}

int64_t power_to(const struct event *create, const struct event *levels, const char *action)
{
	int64_t or_else = strcmp(action, "invite") == 0 ? 0 : 50;

	(void)create;
	return levels ? level(levels, levels->content, action, or_else) : or_else;
}
