#include "tests/support/persist_memory.h"

#include <stdlib.h>

#include "node/base/alloc.h"

struct kept {
	struct kept *next;
	enum transport_value kind;
	char *key, *value;
	size_t key_n, value_n;
};

struct pending_durable {
	struct pending_durable *next;
	struct persist_memory *memory;
	struct loop_deferred deferred;
	void (*done)(void *arg, enum err err);
	void *arg;
};

static struct persist_memory *memory_of(struct transport_persist *p)
{
	return CONTAINER_OF(p, struct persist_memory, persist);
}

static void kept_free(struct kept *k)
{
	free(k->key);
	free(k->value);
	free(k);
}

static enum err persist_load(struct transport_persist *p, enum transport_value kind,
	enum err (*each)(void *arg, struct str key, struct str value), void *arg)
{
	for (struct kept *k = memory_of(p)->kept; k; k = k->next) {
		enum err err;

		if (k->kind != kind)
			continue;
		err = each(arg, (struct str){ k->key, k->key_n },
			(struct str){ k->value, k->value_n });
		if (err)
			return err;
	}
	return ERR_OK;
}

static enum err persist_del(
	struct transport_persist *p, enum transport_value kind, struct str key)
{
	struct kept **at = &memory_of(p)->kept;

	while (*at) {
		struct kept *k = *at;

		if (k->kind != kind || !str_eq((struct str){ k->key, k->key_n }, key)) {
			at = &k->next;
			continue;
		}
		*at = k->next;
		kept_free(k);
	}
	return ERR_OK;
}

static enum err persist_put(struct transport_persist *p, enum transport_value kind,
	struct str key, struct str value)
{
	struct persist_memory *m = memory_of(p);
	struct kept *k;

	if (m->fail)
		return m->fail;
	(void)persist_del(p, kind, key);
	k = NEW(struct kept);
	k->kind = kind;
	k->key = xstrdup(key);
	k->key_n = key.n;
	k->value = xstrdup(value);
	k->value_n = value.n;
	k->next = m->kept;
	m->kept = k;
	return ERR_OK;
}

static void on_durable(struct loop_deferred *d)
{
	struct pending_durable *p = CONTAINER_OF(d, struct pending_durable, deferred);
	enum err err = p->memory->fail;

	p->done(p->arg, err);
	free(p);
}

static void persist_durable(
	struct transport_persist *p, void (*done)(void *arg, enum err err), void *arg)
{
	struct pending_durable *d = NEW(struct pending_durable);

	d->memory = memory_of(p);
	d->deferred.fn = on_durable;
	d->done = done;
	d->arg = arg;
	loop_defer(d->memory->loop, &d->deferred);
}

void persist_memory_init(struct persist_memory *m, struct loop *loop)
{
	*m = (struct persist_memory){ .loop = loop };
	m->persist = (struct transport_persist){ persist_load, persist_put, persist_del,
		persist_durable };
}

void persist_memory_deinit(struct persist_memory *m)
{
	while (m->kept) {
		struct kept *k = m->kept;

		m->kept = k->next;
		kept_free(k);
	}
}
