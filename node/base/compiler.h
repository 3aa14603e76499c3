/*
 * compiler: the few GNU C attributes that kith's style is built on.
 */
#ifndef KITH_BASE_COMPILER_H
#define KITH_BASE_COMPILER_H

#define MUST_CHECK       __attribute__((warn_unused_result))
#define PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define CLEANUP(fn)      __attribute__((cleanup(fn)))
/* A big local that is written before it is read: the release build, which clears all others,
 * leaves it alone. */
#if defined(__clang__) || __GNUC__ >= 12
#	define UNCLEARED __attribute__((uninitialized))
#else
#	define UNCLEARED
#endif

/* Gives what an owning local holds away: the local is left NULL, so its CLEANUP does nothing.
 */
#define MOVE(p) \
	__extension__({ \
		__typeof__(p) move_tmp_ = (p); \
		(p) = NULL; \
		move_tmp_; \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that holds member at address p. */
#define CONTAINER_OF(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

#endif
