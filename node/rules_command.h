/*
 * rules_command: `kith auth` and `kith resolve`, for the `kith` program.
 */
#ifndef KITH_RULES_COMMAND_H
#define KITH_RULES_COMMAND_H

#include "node/arguments.h"

/* An exit code. With --lines a case that can't be read is answered {"error": "..."}, and the
 * exit code says that there was one. */
int rules_command_auth(struct arguments *a);
int rules_command_resolve(struct arguments *a);

#endif
