#include "transport/lws.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <libwebsockets.h>

#include "node/base/alloc.h"

#define LOG_MODULE "lws"

/* Tables of lws are sized by the number of descriptors; beyond this many its slower look-up
 * costs less than the megabytes. */
#define MAX_FDS 16384

struct lws_node {
	struct lws_context *context;
	bool stopped;
};

static unsigned fd_limit(void)
{
	struct rlimit rl;
	if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur > MAX_FDS)
		return MAX_FDS;
	return 0; /* as the process's */
}

static void never(lws_sorted_usec_list_t *sul)
{
	(void)sul;
}

/*
 * lws looks every 30 s whether its parent process lives and whether interfaces came up, neither
 * of which we use: an idle node would wake up for it. An entry of our own leads to its list of
 * timers, whose only others, right after the context was made, are that one's.
 */
static void stop_housekeeping(struct lws_context *context)
{
	lws_sorted_usec_list_t mark = { 0 };
	lws_sul_schedule(context, 0, &mark, never, LWS_US_PER_SEC);
	struct lws_dll2_owner *timers = mark.list.owner;
	while (timers->head)
		lws_dll2_remove(timers->head);
}

enum err lws_node_new(
	struct uv_loop_s *uv, const struct log *log, struct lws_node **out, struct err_ctx *why)
{
	void *loops[] = { uv };
	struct lws_context_creation_info info = {
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
		.foreign_loops = loops,
		.fd_limit_per_thread = fd_limit(),
		.pt_serv_buf_size = 32 * 1024,
	};

	/* Its own lines go to stderr, in its own format: what concerns an operator is logged
	 * by whoever called lws. */
	lws_set_log_level(0, NULL);

	struct lws_node *n = NEW(struct lws_node);
	n->context = lws_create_context(&info);
	if (!n->context) {
		free(n);
		return err_set(why, ERR_IO,
			"libwebsockets could not start (is libwebsockets-evlib-uv installed, "
			"and "
			"are file descriptors left?)");
	}
	stop_housekeeping(n->context);
	log_debug(log, "ready version=%s", lws_get_library_version());
	*out = n;
	return ERR_OK;
}

struct lws_context *lws_node_context(struct lws_node *n)
{
	return n->context;
}

void lws_node_stop(struct lws_node *n)
{
	if (n->stopped)
		return;
	n->stopped = true;
	/* On a foreign loop this only starts the closing of handles. */
	lws_context_destroy(n->context);
}

void lws_node_free(struct lws_node *n)
{
	if (!n)
		return;
	assert(n->stopped);
	lws_context_destroy(n->context); /* the second call frees it */
	free(n);
}
