/*
 * kith: the public interface over struct node. What comes from other threads goes through the
 * inbox; the rest is the node's own thread.
 */
#include "node/include/kith.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "node/command.h"
#include "node/control_client.h"
#include "node/core/rules.h"
#include "node/inbox.h"
#include "node/inprocess.h"
#include "node/loop_uv.h"
#include "node/node.h"
#include "node/qr.h"
#include "node/user/users.h"
#include "node/words.h"
#include "transport/identity_files.h"
#include "transport/transport.h"

struct kith_config {
	struct config config;
	void (*write)(void *arg, enum kith_log_level level, const char *line);
	void *arg;
};

struct kith {
	struct node *node;
	void (*write)(void *arg, enum kith_log_level level, const char *line);
	void *arg;
	struct log log;
};

static enum kith_status fail(struct kith_error *out, enum kith_status status, const char *text)
{
	if (out)
		(void)snprintf(out->text, sizeof(out->text), "%s", text);
	return status;
}

static enum kith_status failed(struct kith_error *out, enum err err, const struct err_ctx *why)
{
	enum kith_status status = command_status(err);

	return fail(out, status, why->text[0] ? why->text : err_name(err));
}

const char *kith_version(void)
{
	return KITH_VERSION;
}

void kith_string_free(char *s)
{
	free(s);
}

/* Settings. */

struct kith_config *kith_config_new(void)
{
	struct kith_config *c = NEW(struct kith_config);

	config_init(&c->config);
	return c;
}

void kith_config_free(struct kith_config *c)
{
	if (!c)
		return;
	config_deinit(&c->config);
	free(c);
}

enum kith_status kith_config_set(
	struct kith_config *c, const char *name, const char *value, struct kith_error *why)
{
	struct err_ctx ctx = { { 0 } };
	enum err err = config_set(&c->config, name, value, &ctx);

	return err ? failed(why, err, &ctx) : KITH_OK;
}

const char *kith_config_get(const struct kith_config *c, const char *name)
{
	enum setting s = config_find(name);

	return s == N_SETTINGS ? NULL : config_get(&c->config, s);
}

enum kith_status kith_config_load_env(struct kith_config *c, struct kith_error *why)
{
	struct err_ctx ctx = { { 0 } };
	enum err err = config_load_env(&c->config, &ctx);

	return err ? failed(why, err, &ctx) : KITH_OK;
}

enum kith_status kith_config_load_file(
	struct kith_config *c, const char *path, int required, struct kith_error *why)
{
	struct err_ctx ctx = { { 0 } };
	enum err err = config_load_file(&c->config, path, &ctx);

	if (err == ERR_NOT_FOUND)
		return required ? fail(why, KITH_USAGE, ctx.text) : KITH_OK;
	return err ? failed(why, err, &ctx) : KITH_OK;
}

int kith_config_list(size_t i, struct kith_setting *out)
{
	if (i >= N_SETTINGS)
		return 0;
	out->name = settings[i].name;
	out->values = settings[i].values;
	out->preset = settings[i].preset ? settings[i].preset : "";
	out->help = settings[i].help;
	out->run_only = settings[i].run_only;
	return 1;
}

void kith_config_set_log(struct kith_config *c,
	void (*write)(void *arg, enum kith_log_level level, const char *line), void *arg)
{
	c->write = write;
	c->arg = arg;
}

/* A node's identity. */

static enum kith_status store_identity(const struct kith_config *c, struct identity *id,
	char **server_name, struct kith_error *why)
{
	const char *dir = config_get(&c->config, SET_DATA_DIR);
	struct err_ctx ctx = { { 0 } };
	enum err err;
	int lock = -1;

	err = data_dir_lock(dir, &lock, &ctx);
	if (err == ERR_EXISTS)
		return fail(why, KITH_LOCKED, ctx.text);
	if (!err)
		err = identity_file_create(dir, id, &ctx);
	data_dir_unlock(lock);
	if (err)
		return failed(why, err, &ctx);
	*server_name = xstrdup(str_of(identity_name(id)));
	return KITH_OK;
}

enum kith_status kith_init(const struct kith_config *c, char **server_name, char **recovery,
	struct kith_error *why)
{
	struct identity_recovery seed;
	char code[IDENTITY_CODE_LEN + 1];
	struct err_ctx ctx = { { 0 } };
	struct identity *id;
	enum kith_status status;

	if (node_identity_lost(config_get(&c->config, SET_DATA_DIR), &ctx))
		return fail(why, KITH_DAMAGED, ctx.text);
	id = identity_new(&rng_system, clock_wall_ms(&clock_system), &seed);
	status = store_identity(c, id, server_name, why);
	identity_free(id);
	if (!status) {
		identity_recovery_code(&seed, code);
		*recovery = xstrdup(str_of(code));
		explicit_bzero(code, sizeof(code));
	}
	identity_recovery_wipe(&seed);
	return status;
}

enum kith_status kith_init_recover(const struct kith_config *c, const char *recovery,
	char **server_name, struct kith_error *why)
{
	struct identity_recovery seed;
	struct err_ctx ctx = { { 0 } };
	enum err err = identity_recovery_parse(str_of(recovery), &seed, &ctx);
	enum kith_status status;
	struct identity *id;

	if (err)
		return failed(why, err, &ctx);
	id = identity_recover(&rng_system, clock_wall_ms(&clock_system), &seed);
	identity_recovery_wipe(&seed);
	status = store_identity(c, id, server_name, why);
	identity_free(id);
	return status;
}

/* A node's life. */

static void write_log(void *arg, enum log_level level, const char *line)
{
	struct kith *k = arg;

	k->write(k->arg, (enum kith_log_level)level, line);
}

static enum log_level log_level_of(const char *name)
{
	for (enum log_level l = LOG_ERROR; l < LOG_DEBUG; l++) {
		if (strcmp(log_level_name(l), name) == 0)
			return l;
	}
	return LOG_DEBUG;
}

enum kith_status kith_open(
	const struct kith_config *c, struct kith **out, struct kith_error *why)
{
	struct kith *k = NEW(struct kith);
	struct err_ctx ctx = { { 0 } };
	enum err err;

	k->write = c->write;
	k->arg = c->arg;
	k->log = (struct log){ .level = log_level_of(config_get(&c->config, SET_LOG_LEVEL)),
		.write = c->write ? write_log : NULL,
		.arg = k };
	err = node_open(&c->config, &k->log, &k->node, &ctx);
	if (!err) {
		*out = k;
		return KITH_OK;
	}
	free(k);
	if (err == ERR_NOT_FOUND)
		return fail(why, KITH_NO_IDENTITY, ctx.text);
	if (err == ERR_EXISTS)
		return fail(why, KITH_LOCKED, ctx.text);
	return failed(why, err, &ctx);
}

enum kith_status kith_start(struct kith *k, struct kith_error *why)
{
	struct err_ctx ctx = { { 0 } };
	enum err err = node_link(k->node, &ctx);

	if (!err)
		err = node_serve(k->node, &ctx);
	return err ? fail(why, KITH_ADDRESS, ctx.text) : KITH_OK;
}

static void stop_loop(void *arg)
{
	struct kith *k = arg;

	loop_uv_stop(k->node->loop);
}

void kith_run(struct kith *k)
{
	inbox_on_knock(k->node->inbox, stop_loop, k);
	loop_uv_run(k->node->loop);
}

void kith_stop(struct kith *k)
{
	inbox_knock(k->node->inbox);
}

void kith_close(struct kith *k)
{
	if (!k)
		return;
	node_close(k->node);
	free(k);
}

const char *kith_server_name(const struct kith *k)
{
	return k->node->server_name.p; /* identity_name(): ends with a NUL */
}

const char *kith_listen_address(const struct kith *k)
{
	return k->node->listen_address;
}

const char *kith_link_address(const struct kith *k)
{
	return k->node->link_address;
}

char *kith_owner_token(const struct kith *k)
{
	struct str token = users_owner_token(k->node->users);

	return token.n ? xstrdup(token) : NULL;
}

/* From other threads. */

struct life_job {
	struct inbox_job job;
	struct kith *k;
	void (*fn)(struct transport *t);
};

static void run_life(struct inbox_job *job)
{
	struct life_job *j = CONTAINER_OF(job, struct life_job, job);

	if (j->k->node->transport)
		j->fn(j->k->node->transport);
	free(j);
}

static void post_life(struct kith *k, void (*fn)(struct transport *t))
{
	struct life_job *j = NEW(struct life_job);

	*j = (struct life_job){ .job.run = run_life, .k = k, .fn = fn };
	inbox_post(k->node->inbox, &j->job);
}

void kith_suspend(struct kith *k)
{
	post_life(k, transport_suspend);
}

void kith_resume(struct kith *k)
{
	post_life(k, transport_resume);
}

void kith_network_changed(struct kith *k)
{
	post_life(k, transport_network_changed);
}

void kith_request(
	struct kith *k, const struct kith_request *req, kith_response_fn *done, void *arg)
{
	inprocess_post(k->node, req, done, arg);
}

/* Commands. */

struct command_job {
	struct inbox_job job;
	struct kith *k;
	char *name;
	char *arguments;
	kith_command_fn *done;
	void *arg;
};

static void command_done(void *arg, enum kith_status status, struct str answer, const char *why)
{
	struct command_job *j = arg;
	struct kith_error error = { { 0 } };
	char *text = status == KITH_OK ? xstrdup(answer) : NULL;

	if (status != KITH_OK)
		(void)fail(&error, status, why);
	j->done(j->arg, status, text, &error);
	if (text)
		explicit_bzero(text, answer.n);
	free(text);
	free(j->name);
	free(j->arguments);
	free(j);
}

static void run_command(struct inbox_job *job)
{
	struct command_job *j = CONTAINER_OF(job, struct command_job, job);

	command_run(j->k->node, str_of(j->name), str_of(j->arguments), command_done, j);
}

void kith_node_command(struct kith *k, const char *name, const char *arguments,
	kith_command_fn *done, void *arg)
{
	struct command_job *j = NEW(struct command_job);

	*j = (struct command_job){ .job.run = run_command,
		.k = k,
		.name = xstrdup(str_of(name)),
		.arguments = xstrdup(str_of(arguments ? arguments : "{}")),
		.done = done,
		.arg = arg };
	inbox_post(k->node->inbox, &j->job);
}

void kith_invite_create(struct kith *k, int expiry_minutes, kith_command_fn *done, void *arg)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "{\"expiry_minutes\":%d}", expiry_minutes);
	kith_node_command(k, "invite", text, done, arg);
}

void kith_invite_accept(struct kith *k, const char *invite, kith_command_fn *done, void *arg)
{
	CLEANUP(buf_deinit) struct buf args = { 0 };
	enum err err = words_arguments(&args, STR("join"), &invite, 1);
	char *text = err ? NULL : buf_detach_z(&args);

	kith_node_command(k, "join", text, done, arg);
	free(text);
}

void kith_peers(struct kith *k, kith_command_fn *done, void *arg)
{
	kith_node_command(k, "peers", NULL, done, arg);
}

struct wait {
	struct node *node;
	enum kith_status status;
	char *answer;
	struct kith_error *why;
	bool over;
};

static void wait_done(void *arg, enum kith_status status, struct str answer, const char *why)
{
	struct wait *w = arg;

	w->over = true;
	w->status = status;
	if (status == KITH_OK)
		w->answer = xstrdup(answer);
	else
		(void)fail(w->why, status, why);
	loop_uv_stop(w->node->loop);
}

/* No node runs there: the command gets one of its own, for as long as it takes. */
static enum kith_status run_alone(const struct kith_config *c, const char *name,
	const char *arguments, char **answer, struct kith_error *why)
{
	struct wait w = { .why = why };
	struct err_ctx ctx = { { 0 } };
	struct kith *k = NULL;
	enum kith_status status = kith_open(c, &k, why);
	enum err err = ERR_OK;

	if (status || !k)
		return status;
	w.node = k->node;
	if (command_needs_links(str_of(name)))
		err = node_link(k->node, &ctx);
	if (err) {
		kith_close(k);
		return fail(why, KITH_ADDRESS, ctx.text);
	}
	command_run(k->node, str_of(name), str_of(arguments), wait_done, &w);
	if (!w.over)
		loop_uv_run(k->node->loop);
	kith_close(k);
	if (w.status == KITH_OK)
		*answer = w.answer;
	return w.status;
}

enum kith_status kith_command(const struct kith_config *c, const char *name,
	const char *arguments, char **answer, struct kith_error *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	CLEANUP(buf_deinit) struct buf line = { 0 };
	struct str reply;
	struct str body;
	struct str sentence;
	enum kith_status status;
	enum err err;

	command_line_put(&line, str_of(name), str_of(arguments ? arguments : "{}"));
	err = control_ask(config_get(&c->config, SET_DATA_DIR), buf_str(&line), a, &reply);
	explicit_bzero(line.p, line.n);
	if (err == ERR_UNREACHABLE)
		return run_alone(c, name, arguments ? arguments : "{}", answer, why);
	if (err)
		return fail(why, KITH_ERROR, "the running node does not answer");
	status = command_reply_read(a, reply, &body, &sentence);
	if (status)
		return fail(why, status, arena_str(a, sentence).p);
	*answer = xstrdup(body);
	return KITH_OK;
}

char *kith_command_arguments(const char *name, const char *const *words, size_t n)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };

	return words_arguments(&out, str_of(name), words, n) ? NULL : buf_detach_z(&out);
}

char *kith_answer_text(const char *name, const char *answer)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };

	return words_answer(&out, str_of(name), str_of(answer)) ? NULL : buf_detach_z(&out);
}

enum kith_status kith_rules(const char *name, const char *text, size_t text_len, int flags,
	char **answer, struct kith_error *why)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct str input = { text, text_len };
	struct err_ctx ctx = { { 0 } };
	unsigned how = (flags & KITH_RULES_VERIFY ? RULES_VERIFY : 0) |
		(flags & KITH_RULES_EXPLAIN ? RULES_EXPLAIN : 0);
	enum err err;

	if (sodium_init() < 0)
		return fail(why, KITH_ERROR, "libsodium can't start");
	if (strcmp(name, "auth") == 0)
		err = rules_auth(input, how, &out, &ctx);
	else if (strcmp(name, "resolve") == 0)
		err = rules_resolve(input, how, &out, &ctx);
	else
		err = err_set(&ctx, ERR_INVALID, "there are no rules named %s", name);
	if (err)
		return failed(why, err, &ctx);
	*answer = xstrdup(buf_str(&out));
	return KITH_OK;
}

char *kith_qr_text(const char *text)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };

	return qr_put(&out, text) ? NULL : buf_detach_z(&out);
}
