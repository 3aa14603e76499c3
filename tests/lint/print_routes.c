/* Prints every route of the client API: operation, method, path. */
#include <stdio.h>

#include "client-api/routes.h"

int main(void)
{
	for (const struct route *const *table = routes_all; *table; table++)
		for (const struct route *r = *table; r->operation; r++)
			printf("%s\t%s\t%s\n", r->operation, r->method, r->path);
	return 0;
}
