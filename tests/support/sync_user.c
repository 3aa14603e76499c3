#include "tests/support/sync_user.h"

#include "node/user/push_rules.h"
#include "store/account.h"
#include "store/device.h"
#include "tests/support/cmocka.h"

void sync_rig_up(struct sync_rig *r, struct mesh_node *node)
{
	r->node = node;
	r->push_rules = push_rules_new(&(struct push_rules_options){ .store = node->store });
	r->sync = sync_new(&(struct sync_options){ .store = node->store,
		.loop = node->mesh->loop,
		.clock = &clock_system,
		.rng = &rng_system,
		.server_name = str_of(node->name),
		.users = node->users,
		.rooms = node->rooms,
		.typing = node->typing,
		.presence = node->presence,
		.push_rules = r->push_rules });
}

void sync_rig_down(struct sync_rig *r)
{
	sync_free(r->sync);
	push_rules_free(r->push_rules);
}

static void on_answer(struct sync_op *op, enum err err)
{
	struct sync_user *u = CONTAINER_OF(op, struct sync_user, op);
	struct arena *a = u->rig->node->mesh->arena;
	struct str text;

	u->running = false;
	u->err = err;
	if (!err) {
		assert_int_equal(json_parse_in(a, arena_str(a, buf_str(&op->body)),
					 &json_limits_peer, &u->answer, NULL),
			ERR_OK);
		assert_true(json_as_str(json_get(u->answer, "next_batch"), &text));
		u->since = text;
	}
	buf_deinit(&op->body);
}

void sync_begin(struct sync_user *u, uint64_t timeout_ms)
{
	u->op = (struct sync_op){ .sync = u->rig->sync,
		.arena = u->rig->node->mesh->arena,
		.user_id = u->user_id,
		.device_id = STR("DEVICE"),
		.account = u->account,
		.device = u->device,
		.since = u->since,
		.filter = u->filter,
		.full_state = u->full_state,
		.state_after = u->state_after,
		.timeout_ms = timeout_ms,
		.done = on_answer };
	u->running = true;
	u->answer = NULL;
	sync_start(&u->op);
	assert_true(u->running);
}

static bool is_done(void *arg)
{
	return !((struct sync_user *)arg)->running;
}

enum err sync_end(struct sync_user *u)
{
	mesh_until(u->rig->node->mesh, is_done, u, "a sync");
	return u->err;
}

const struct json *sync_now(struct sync_user *u)
{
	sync_begin(u, 0);
	assert_int_equal(sync_end(u), ERR_OK);
	return u->answer;
}

const struct json *dig(const struct json *j, ...)
{
	const char *key;
	va_list ap;

	va_start(ap, j);
	while (j && (key = va_arg(ap, const char *)))
		j = json_get(j, key);
	va_end(ap);
	return j;
}

void sync_user_init(struct sync_user *u, struct sync_rig *rig, const char *localpart)
{
	struct arena *a = rig->node->mesh->arena;
	struct store_account account;
	struct store_device device;

	*u = (struct sync_user){ .rig = rig, .user_id = mesh_user(rig->node, localpart) };
	assert_int_equal(store_account_get(rig->node->store, a, u->user_id, &account), ERR_OK);
	assert_int_equal(
		store_device_get(rig->node->store, a, account.nid, STR("DEVICE"), &device),
		ERR_OK);
	u->account = account.nid;
	u->device = device.nid;
}
