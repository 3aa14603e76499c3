/*
 * bench_store: what an event costs the store alone.
 *
 *     bench_store [--events N] [--senders N] [--page-size N] [--checkpoint-kib N]
 * [--wal-limit-kib N]
 *                 [--full]
 *                 [--encrypted] DIR
 *
 * Builds, signs and stores message events in one room, each sender waiting until its last one
 * is durable, and prints one line: CPU time, disk flushes and bytes written (write_bytes of
 * /proc/self/io, the closing checkpoint included) for each event, the wait, the database's
 * size, and memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "node/base/alloc.h"
#include "node/base/buf.h"
#include "node/loop_uv.h"
#include "tests/support/room_maker.h"

/* As long as a name that is a key. */
#define SERVER "kithbenchkithbenchkithbenchkithbenchkithbenchkithbe22"

struct bench;

struct sender {
	struct store_waiter w;
	struct bench *bench;
	struct loop_timer *timer;
	uint64_t asked_ns;
	unsigned n;
};

struct bench {
	struct store *st;
	struct loop *loop;
	struct room_maker maker;
	struct sender senders[64];
	unsigned n_senders;
	unsigned n_events;
	unsigned sent;
	unsigned done;
	bool encrypted;
	uint64_t *waits_ns;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void die(const char *what, enum err err)
{
	(void)fprintf(stderr, "bench_store: %s: %s\n", what, err_name(err));
	exit(1);
}

static void send_one(void *arg)
{
	struct sender *s = arg;
	struct bench *b = s->bench;
	CLEANUP(buf_deinit) struct buf content = { 0 };
	CLEANUP(event_freep) struct event *e = NULL;
	char txn[32];
	int64_t nid;
	int64_t pos;
	enum err err;

	if (b->sent == b->n_events)
		return;
	b->sent++;
	if (b->encrypted) {
		buf_put_z(
			&content, "{\"algorithm\":\"m.megolm.v1.aes-sha2\",\"ciphertext\":\"");
		for (int i = 0; i < 256; i++)
			buf_put_u8(&content, (uint8_t)('a' + rand() % 26));
		buf_put_z(&content,
			"\",\"device_id\":\"ABCDEFGHIJ\",\"sender_key\":"
			"\"0123456789012345678901234567890123456789012\",\"session_id\":"
			"\"0123456789012345678901234567890123456789012\"}");
	} else {
		buf_printf(&content,
			"{\"body\":\"message %u of a conversation\",\"msgtype\":\"m.text\"}",
			b->sent);
	}
	buf_put_u8(&content, 0);
	(void)snprintf(txn, sizeof(txn), "m%llu.%u", 1700000000000ULL + b->sent, s->n++);
	s->asked_ns = now_ns(CLOCK_MONOTONIC);
	e = room_maker_event_new(&b->maker,
		b->encrypted ? "m.room.encrypted" : "m.room.message", NULL, b->maker.creator,
		content.p);
	err = store_begin(b->st);
	if (!err)
		err = store_end(b->st,
			room_maker_put(&b->maker, e, STORE_LOCAL, STR("DEVICEAAAA"),
				str_of(txn), &nid, &pos));
	if (err)
		die("send", err);
	store_durable(b->st, &s->w);
}

static void answered(struct store_waiter *w, enum err err)
{
	struct sender *s = CONTAINER_OF(w, struct sender, w);
	struct bench *b = s->bench;

	if (err)
		die("durable", err);
	b->waits_ns[b->done++] = now_ns(CLOCK_MONOTONIC) - s->asked_ns;
	/* The next request comes when the answer has been to the client and back. */
	if (b->n_senders > 1)
		loop_timer_set(b->loop, s->timer, (uint64_t)(rand() % 3));
	else
		loop_timer_set(b->loop, s->timer, 0);
}

static long long write_bytes(void)
{
	FILE *f = fopen("/proc/self/io", "r");
	char line[100];
	long long n = 0;

	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "write_bytes: %lld", &n);
	if (f)
		(void)fclose(f);
	return n;
}

static long pss_kib(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[200];
	long n = 0;

	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "Pss: %ld", &n);
	if (f)
		(void)fclose(f);
	return n;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double cpu_ms(void)
{
	return (double)now_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e6;
}

struct start {
	double cpu_ms;
	long long bytes;
	struct store_health health;
	uint64_t ns;
};

static void report(struct bench *b, const struct start *s, const char *path)
{
	struct store_health h;
	struct stat file;
	double n = b->n_events;
	double seconds = (double)(now_ns(CLOCK_MONOTONIC) - s->ns) / 1e9;
	double cpu = cpu_ms() - s->cpu_ms;
	long memory = pss_kib();

	store_health(b->st, &h);
	store_close(b->st);
	(void)stat(path, &file);
	qsort(b->waits_ns, b->done, sizeof(*b->waits_ns), by_value);
	(void)printf("senders=%u events=%u cpu_ms=%.3f syncs=%.3f checkpoints=%llu "
		     "kib_written=%.1f wait_ms_p50=%.2f p99=%.2f per_s=%.0f db_mib_10k=%.1f "
		     "pss_mib=%.1f wal_mib=%.1f\n",
		b->n_senders, b->n_events, cpu / n, (double)(h.syncs - s->health.syncs) / n,
		(unsigned long long)(h.checkpoints - s->health.checkpoints),
		(double)(write_bytes() - s->bytes) / 1024 / n,
		(double)b->waits_ns[b->done / 2] / 1e6,
		(double)b->waits_ns[b->done * 99 / 100] / 1e6, n / seconds,
		(double)file.st_size / 1048576 / n * 10000, (double)memory / 1024,
		(double)h.wal_bytes / 1048576);
}

static unsigned number(const char *z)
{
	uint64_t n = 0;

	if (!z || !str_to_u64(str_of(z), &n))
		die("not a number", ERR_INVALID);
	return (unsigned)n;
}

int main(int argc, char **argv)
{
	struct bench *b = NEW(struct bench);
	struct store_options o = { .server_name = STR(SERVER) };
	struct loop_uv *uv;
	struct start s;
	struct err_ctx why = { 0 };
	char path[4096];
	const char *dir = NULL;
	enum err err;

	b->n_events = 10000;
	b->n_senders = 1;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--events") == 0)
			b->n_events = number(argv[++i]);
		else if (strcmp(argv[i], "--senders") == 0)
			b->n_senders = number(argv[++i]) % 65;
		else if (strcmp(argv[i], "--page-size") == 0)
			o.page_size = number(argv[++i]);
		else if (strcmp(argv[i], "--checkpoint-kib") == 0)
			o.checkpoint_kib = number(argv[++i]);
		else if (strcmp(argv[i], "--wal-limit-kib") == 0)
			o.wal_limit_kib = number(argv[++i]);
		else if (strcmp(argv[i], "--full") == 0)
			o.durability = STORE_FULL;
		else if (strcmp(argv[i], "--encrypted") == 0)
			b->encrypted = true;
		else
			dir = argv[i];
	}
	if (!dir)
		die("no folder given", ERR_INVALID);
	(void)snprintf(path, sizeof(path), "%s/bench.db", dir);
	(void)remove(path);
	if (loop_uv_new(NULL, &uv))
		die("loop", ERR_IO);
	b->loop = loop_uv_loop(uv);
	o.path = path;
	o.loop = b->loop;
	o.uv = loop_uv_handle(uv);
	err = store_open(&o, &b->st, &why);
	if (err)
		die(why.text, err);
	b->waits_ns = xcalloc(b->n_events, sizeof(*b->waits_ns));
	room_maker_init(&b->maker, b->st, STR("!AbCdEfGhIjKlMnOpQr:" SERVER));
	loop_uv_run(uv);
	s.cpu_ms = cpu_ms();
	s.bytes = write_bytes();
	s.ns = now_ns(CLOCK_MONOTONIC);
	store_health(b->st, &s.health);
	for (unsigned i = 0; i < b->n_senders; i++) {
		b->senders[i] = (struct sender){ .w.fn = answered, .bench = b };
		b->senders[i].timer = loop_timer_new(b->loop, send_one, &b->senders[i]);
		send_one(&b->senders[i]);
	}
	loop_uv_run(uv);
	report(b, &s, path);
	for (unsigned i = 0; i < b->n_senders; i++)
		loop_timer_free(b->loop, b->senders[i].timer);
	room_maker_deinit(&b->maker);
	loop_uv_free(uv);
	free(b->waits_ns);
	free(b);
	return 0;
}
