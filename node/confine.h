/*
 * confine: what the program gives up once it runs (security.md P3). Linux alone; where the
 * kernel can't, a line says so and the node runs on.
 *
 * The program's, not libkith's: an app decides for itself what its process may do.
 */
#ifndef KITH_CONFINE_H
#define KITH_CONFINE_H

#include <stdbool.h>

/* Of files only the data directory may be written, and only what the system's libraries read
 * (/etc, /usr, ...) be read; nothing may be executed. Holds for this thread and those that it
 * starts. False, with a reason: it could not be (the directory must be there). */
bool confine_files(const char *data_dir, const char **why);

/* No new privileges, and of the kernel only what a server needs: what starts programs, looks
 * into other processes or changes the system ends this one, any other call fails with ENOSYS.
 * Holds for every thread. False, with a reason. */
bool confine_calls(const char **why);

#endif
