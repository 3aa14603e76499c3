/*
 * log: one line for each thing that an operator should know.
 *
 * `level module: sentence key=value`, ids in full; never message content, tokens or keys. A
 * struct log belongs to one node; there is no process-wide one. Control characters in what is
 * formatted are written as '?', so that a foreign string can't forge a line.
 */
#ifndef KITH_BASE_LOG_H
#define KITH_BASE_LOG_H

#include "node/base/clock.h"
#include "node/base/compiler.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log {
	enum log_level level; /* what is less severe is dropped */
	/* line is NUL-terminated, without a line end; borrowed. NULL drops everything. */
	void (*write)(void *arg, enum log_level level, const char *line);
	void *arg;
};

/* log may be NULL: nothing is written. Lines are cut at 1,000 bytes. */
void log_line(const struct log *log, enum log_level level, const char *module, const char *fmt,
	...) PRINTF(4, 5);

const char *log_level_name(enum log_level level);

/*
 * At most one line a minute of one kind that peers can cause: `if (log_limit(&lim, now))
 * log_...`. A zeroed struct is ready.
 */
struct log_limit {
	uint64_t next_ms;
	unsigned dropped; /* since the last line, for the caller to mention */
};
_Bool log_limit(struct log_limit *l, uint64_t mono_ms);

#define log_error(log, ...) log_line((log), LOG_ERROR, LOG_MODULE, __VA_ARGS__)
#define log_warn(log, ...)  log_line((log), LOG_WARN, LOG_MODULE, __VA_ARGS__)
#define log_info(log, ...)  log_line((log), LOG_INFO, LOG_MODULE, __VA_ARGS__)
#define log_debug(log, ...) \
	do { \
		if ((log) && (log)->level >= LOG_DEBUG) \
			log_line((log), LOG_DEBUG, LOG_MODULE, __VA_ARGS__); \
	} while (0)
/* Each .c that logs defines LOG_MODULE ("room", "link", ...) before its first use. */

#endif
