/*
 * sandbox: what a worker process gives up before it looks at foreign bytes (security.md M3).
 */
#ifndef KITH_MEDIA_SANDBOX_H
#define KITH_MEDIA_SANDBOX_H

#define SANDBOX_SECONDS 5
#define SANDBOX_MEMORY  (256UL * 1024 * 1024)
#define SANDBOX_FILE    (16UL * 1024 * 1024)

/* Closes every descriptor from first on. */
void sandbox_close_from(int first);

/*
 * For good: at most SANDBOX_SECONDS of processor and of wall time, SANDBOX_MEMORY of data, no
 * file over SANDBOX_FILE, no new privileges, and from the kernel only what memory, reading and
 * writing open descriptors and the end need. Anything else kills the process. Where the kernel
 * lacks a filter the limits stand alone.
 */
void sandbox_enter(void);

#endif
