#include "node/base/log.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_BYTES 1000

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };

	return names[level];
}

void log_line(
	const struct log *log, enum log_level level, const char *module, const char *fmt, ...)
{
	char line[LINE_BYTES];
	va_list ap;
	int n;

	if (!log || !log->write || level > log->level)
		return;
	n = snprintf(line, sizeof(line), "%s %s: ", log_level_name(level), module);
	if (n < 0 || (size_t)n >= sizeof(line))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	for (char *p = line; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
	log->write(log->arg, level, line);
}

_Bool log_limit(struct log_limit *l, uint64_t mono_ms)
{
	if (mono_ms < l->next_ms) {
		l->dropped++;
		return 0;
	}
	l->next_ms = mono_ms + 60000;
	return 1;
}
