#include "tests/support/nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/cmocka.h"

#define PATIENCE_MS 60000

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void *run(void *arg)
{
	kith_run(arg);
	return NULL;
}

static void log_to_stderr(void *arg, enum kith_log_level level, const char *line)
{
	const struct test_node *n = arg;

	if (level <= KITH_LOG_WARN || getenv("KITH_TEST_LOG"))
		(void)fprintf(
			stderr, "# %s %s\n", n->dir + sizeof("/tmp/kith-test-") - 1, line);
}

static void set(struct kith_config *c, const char *name, const char *value)
{
	struct kith_error why = { { 0 } };

	if (kith_config_set(c, name, value, &why))
		fail_msg("--%s: %s", name, why.text);
}

void node_start(struct test_node *n)
{
	struct kith_config *c = kith_config_new();
	struct kith_error why = { { 0 } };
	enum kith_status status;
	char link[32];

	(void)snprintf(link, sizeof(link), "127.0.0.1:%s", n->link_port);
	set(c, "data-dir", n->dir);
	set(c, "listen", "127.0.0.1:0");
	set(c, "link-listen", link);
	set(c, "registration", "open");
	set(c, "rate-limits", "off");
	set(c, "password-cost", "low");
	if (getenv("KITH_TEST_LOG"))
		set(c, "log-level", "debug");
	kith_config_set_log(c, log_to_stderr, n);
	status = kith_open(c, &n->kith, &why);
	if (!status)
		status = kith_start(n->kith, &why);
	kith_config_free(c);
	if (status)
		fail_msg("a node does not start: %s", why.text);
	(void)snprintf(n->link_port, sizeof(n->link_port), "%s",
		strrchr(kith_link_address(n->kith), ':') + 1);
	assert_int_equal(pthread_create(&n->thread, NULL, run, n->kith), 0);
}

void node_new(struct test_node *n)
{
	struct kith_config *c = kith_config_new();
	char *name = NULL;
	char *recovery = NULL;

	*n = (struct test_node){ .arena = arena_new(), .link_port = "0" };
	(void)snprintf(n->dir, sizeof(n->dir), "/tmp/kith-test-XXXXXX");
	assert_non_null(mkdtemp(n->dir));
	set(c, "data-dir", n->dir);
	assert_int_equal(kith_init(c, &name, &recovery, NULL), KITH_OK);
	kith_string_free(name);
	kith_string_free(recovery);
	kith_config_free(c);
	node_start(n);
}

void node_stop(struct test_node *n)
{
	if (!n->kith)
		return;
	kith_stop(n->kith);
	assert_int_equal(pthread_join(n->thread, NULL), 0);
	kith_close(n->kith);
	n->kith = NULL;
}

void node_free(struct test_node *n)
{
	char command[128];

	node_stop(n);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", n->dir);
	if (system(command)) /* a directory of the test's own */
		(void)fprintf(stderr, "# %s stays\n", n->dir);
	arena_free(n->arena);
}

/* Waiting for a callback of the node's thread. */
struct answer {
	pthread_mutex_t lock;
	pthread_cond_t come;
	bool here;
	int status;
	struct buf body;
};

static struct answer *answer_new(void)
{
	struct answer *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_cond_init(&a->come, NULL);
	return a;
}

static void answer_set(struct answer *a, int status, const void *p, size_t n)
{
	(void)pthread_mutex_lock(&a->lock);
	a->status = status;
	buf_put(&a->body, p, n);
	a->here = true;
	(void)pthread_cond_signal(&a->come);
	(void)pthread_mutex_unlock(&a->lock);
}

/* False when none came in time: the answer is then leaked, since it may still come. */
static bool answer_wait(struct answer *a, unsigned ms)
{
	struct timespec until;
	bool here;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000 + 1;
	(void)pthread_mutex_lock(&a->lock);
	while (!a->here && pthread_cond_timedwait(&a->come, &a->lock, &until) == 0)
		;
	here = a->here;
	(void)pthread_mutex_unlock(&a->lock);
	return here;
}

static void answer_free(struct answer *a)
{
	buf_deinit(&a->body);
	free(a);
}

static void on_response(
	void *arg, int status, const char *content_type, const void *body, size_t body_len)
{
	(void)content_type;
	answer_set(arg, status, body, body_len);
}

static void on_command(
	void *arg, enum kith_status status, const char *text, const struct kith_error *why)
{
	const char *z = text ? text : why->text;

	answer_set(arg, (int)status, z, strlen(z));
}

static const struct json *parse(struct test_node *n, struct str text)
{
	const struct json *j = NULL;
	struct err_ctx why = { { 0 } };

	if (json_parse_in(n->arena, arena_str(n->arena, text), &json_limits_peer, &j, &why))
		fail_msg("not JSON (%s): %.*s", why.text, STR_FMT(str_head(text, 200)));
	return j;
}

const struct json *node_call(struct test_node *n, const char *token, int status,
	const char *method, const char *target, const char *body)
{
	struct kith_request req = { .method = method,
		.target = target,
		.access_token = token,
		.body = body,
		.body_len = body ? strlen(body) : 0 };
	struct answer *a = answer_new();
	const struct json *j;

	kith_request(n->kith, &req, on_response, a);
	if (!answer_wait(a, PATIENCE_MS * 2))
		fail_msg("%s %s: no answer", method, target);
	if (status && a->status != status)
		fail_msg("%s %s: %d in place of %d: %.*s", method, target, a->status, status,
			STR_FMT(str_head(buf_str(&a->body), 400)));
	j = parse(n, buf_str(&a->body));
	answer_free(a);
	return j;
}

const struct json *user_call(struct test_user *u, int status, const char *method,
	const char *body, const char *target_fmt, ...)
{
	char target[2048];
	va_list ap;

	va_start(ap, target_fmt);
	(void)vsnprintf(target, sizeof(target), target_fmt, ap);
	va_end(ap);
	return node_call(u->node, u->token, status, method, target, body);
}

static const struct json *command(struct test_node *n, const char *name, const char *arguments)
{
	struct answer *a = answer_new();
	const struct json *j;

	kith_node_command(n->kith, name, arguments, on_command, a);
	if (!answer_wait(a, PATIENCE_MS * 2))
		fail_msg("%s: no answer", name);
	if (a->status)
		fail_msg("%s: status %d: %.*s", name, a->status, STR_FMT(buf_str(&a->body)));
	j = parse(n, buf_str(&a->body));
	answer_free(a);
	return j;
}

const struct json *node_pair(struct test_node *a, struct test_node *b)
{
	const struct json *invite = command(a, "invite", "{}");

	return command(
		b, "join", fmt(b, "{\"invite\":\"%s\"}", text_at(a, invite, "invite", NULL)));
}

const struct json *at(const struct json *j, ...)
{
	va_list ap;
	const char *key;

	va_start(ap, j);
	while (j && (key = va_arg(ap, const char *)))
		j = json_get(j, key);
	va_end(ap);
	return j;
}

const char *text_at(struct test_node *n, const struct json *j, ...)
{
	va_list ap;
	const char *key;
	struct str s;

	va_start(ap, j);
	while ((key = va_arg(ap, const char *))) {
		j = json_get(j, key);
		if (!j)
			fail_msg("there is no %s", key);
	}
	va_end(ap);
	assert_true(json_as_str(j, &s));
	return arena_str(n->arena, s).p;
}

const char *fmt(struct test_node *n, const char *f, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, f);
	(void)vsnprintf(text, sizeof(text), f, ap);
	va_end(ap);
	return arena_str(n->arena, str_of(text)).p;
}

const char *enc(struct test_node *n, const char *s)
{
	char out[1024];
	size_t at_ = 0;

	for (; *s && at_ + 4 < sizeof(out); s++) {
		if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			(*s >= '0' && *s <= '9') || strchr("-_.~", *s))
			out[at_++] = *s;
		else
			at_ += (size_t)snprintf(
				out + at_, 4, "%%%02X", (unsigned)(unsigned char)*s);
	}
	return arena_str(n->arena, (struct str){ out, at_ }).p;
}

struct test_user user_new(struct test_node *n, const char *name)
{
	const struct json *j = node_call(n, NULL, 200, "POST", "/_matrix/client/v3/register",
		fmt(n,
			"{\"username\":\"%s\",\"password\":\"correct horse\","
			"\"auth\":{\"type\":\"m.login.dummy\"}}",
			name));

	return (struct test_user){ .node = n,
		.user_id = text_at(n, j, "user_id", NULL),
		.token = text_at(n, j, "access_token", NULL),
		.device_id = text_at(n, j, "device_id", NULL) };
}

const struct json *sync_once(struct test_user *u, unsigned timeout_ms)
{
	const struct json *j = user_call(u, 200, "GET", NULL,
		"/_matrix/client/v3/sync?timeout=%u%s%s", timeout_ms, u->since ? "&since=" : "",
		u->since ? enc(u->node, u->since) : "");

	u->since = text_at(u->node, j, "next_batch", NULL);
	return j;
}

const struct json *sync_until(struct test_user *u, const char *what,
	bool (*found)(void *arg, const struct json *answer), void *arg)
{
	uint64_t until = now_ms() + PATIENCE_MS;

	do {
		const struct json *j = sync_once(u, 1000);

		if (found(arg, j))
			return j;
	} while (now_ms() < until);
	fail_msg("%s did not see %s", u->user_id, what);
	return NULL;
}
