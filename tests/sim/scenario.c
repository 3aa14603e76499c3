#include "tests/sim/scenario.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/alloc.h"
#include "tests/sim/scenario_int.h"

#define WORDS_MAX 6

static const char *const repeat_names[N_REPEATS] = {
	[REPEAT_MESSAGE] = "message",
	[REPEAT_TODEVICE] = "todevice",
	[REPEAT_ASK] = "ask",
	[REPEAT_CUT] = "cut",
	[REPEAT_LOSE] = "lose",
	[REPEAT_ONEWAY] = "oneway",
	[REPEAT_RESTART] = "restart",
};

static const char *const moment_names[N_MOMENTS] = {
	[MOMENT_CLOCK] = "clock",
	[MOMENT_LIE] = "lie",
	[MOMENT_TRUTH] = "truth",
	[MOMENT_FLOOD] = "flood",
	[MOMENT_CALM] = "calm",
};

static const char *const friends_names[N_FRIENDS] = {
	[FRIENDS_ALL] = "all",
	[FRIENDS_LINE] = "line",
	[FRIENDS_RING] = "ring",
	[FRIENDS_STAR] = "star",
};

static const char *const expect_names[N_EXPECTS] = {
	[EXPECT_DELIVERED] = "delivered",
	[EXPECT_ASKED] = "asked",
	[EXPECT_P95] = "p95",
	[EXPECT_MAX] = "max",
	[EXPECT_ASK_P95] = "asked-p95",
	[EXPECT_FLOOD] = "flood",
	[EXPECT_DIALS] = "dials",
};

static bool name_of(const char *word, const char *const *names, size_t n, int *out)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(word, names[i]) == 0) {
			*out = (int)i;
			return true;
		}
	}
	return false;
}

/* "20ms", "5m", "-87600h" as microseconds. */
static bool duration(const char *word, int64_t *out)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = { { "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "m", 60000000 },
		{ "h", 3600000000 } };
	char *end;
	long long n = strtoll(word, &end, 10);

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (end != word && strcmp(end, units[i].unit) == 0) {
			*out = n * units[i].us;
			return true;
		}
	}
	return false;
}

static bool positive(const char *word, uint64_t *out)
{
	int64_t us;

	if (!duration(word, &us) || us < 0)
		return false;
	*out = (uint64_t)us;
	return true;
}

static bool number(const char *word, uint64_t *out)
{
	return str_to_u64(str_of(word), out);
}

static bool node_number(const struct scenario *s, const char *word, size_t *out)
{
	uint64_t n;

	if (!number(word, &n) || n >= s->nodes)
		return false;
	*out = (size_t)n;
	return true;
}

static bool read_every(struct scenario *s, char **w, size_t n)
{
	struct repeat *r = &s->repeats[s->n_repeats];
	int what;

	if (s->n_repeats == REPEATS_MAX || n < 3 || !positive(w[1], &r->every_us) ||
		!r->every_us || !name_of(w[2], repeat_names, N_REPEATS, &what))
		return false;
	r->what = (enum repeat_what)what;
	s->n_repeats++;
	if (what < REPEAT_CUT)
		return n == 3;
	return n == 5 && positive(w[3], &r->least_us) && positive(w[4], &r->most_us) &&
		r->least_us < r->most_us;
}

static bool read_at(struct scenario *s, char **w, size_t n)
{
	struct moment *m = &s->moments[s->n_moments];
	int what;

	if (s->n_moments == MOMENTS_MAX || n < 4 || !positive(w[1], &m->at_us) ||
		!name_of(w[2], moment_names, N_MOMENTS, &what) ||
		!node_number(s, w[3], &m->node))
		return false;
	m->what = (enum moment_what)what;
	s->n_moments++;
	if (what == MOMENT_CLOCK) {
		if (n != 5 || !duration(w[4], &m->ms))
			return false;
		m->ms /= 1000;
		return true;
	}
	if (what == MOMENT_FLOOD)
		return n == 5 && node_number(s, w[4], &m->to);
	return n == 4;
}

static bool read_expect(struct scenario *s, char **w, size_t n)
{
	char *end;
	int what;

	if (n != 3 || !name_of(w[1], expect_names, N_EXPECTS, &what))
		return false;
	s->expects[what] = true;
	s->expect[what] = strtod(w[2], &end);
	return *end == '\0';
}

static bool read_nodes(struct scenario *s, char **w, size_t n)
{
	uint64_t count;

	if (n < 2 || n > 3 || !number(w[1], &count) || count < 2 || count > 4096)
		return false;
	s->nodes = (size_t)count;
	s->bare = n == 3;
	return !s->bare || strcmp(w[2], "bare") == 0;
}

static bool read_friends(struct scenario *s, char **w, size_t n)
{
	int how;

	if (n != 2 || !name_of(w[1], friends_names, N_FRIENDS, &how))
		return false;
	s->friends = (enum friends)how;
	return true;
}

static bool read_words(struct scenario *s, char **w, size_t n)
{
	const char *verb = w[0];

	if (strcmp(verb, "nodes") == 0)
		return read_nodes(s, w, n);
	if (strcmp(verb, "net") == 0)
		return n == 4 && positive(w[1], &s->net.latency_us) &&
			positive(w[2], &s->net.jitter_us) && number(w[3], &s->net.bytes_per_s);
	if (strcmp(verb, "cost") == 0)
		return n == 2 && positive(w[1], &s->cost_us);
	if (strcmp(verb, "friends") == 0)
		return read_friends(s, w, n);
	if (strcmp(verb, "room") == 0) {
		s->room = true;
		return n == 1;
	}
	if (strcmp(verb, "every") == 0)
		return read_every(s, w, n);
	if (strcmp(verb, "at") == 0)
		return read_at(s, w, n);
	if (strcmp(verb, "run") == 0)
		return n == 2 && positive(w[1], &s->run_us);
	if (strcmp(verb, "settle") == 0)
		return n == 2 && positive(w[1], &s->settle_us);
	if (strcmp(verb, "handshake") == 0)
		return n == 2 && number(w[1], &s->handshake) && s->handshake > 0;
	return strcmp(verb, "expect") == 0 && read_expect(s, w, n);
}

static bool read_line(struct scenario *s, char *line)
{
	char *words[WORDS_MAX], *save = NULL;
	size_t n = 0;

	line[strcspn(line, "#\n")] = '\0';
	for (char *w = strtok_r(line, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
		if (n == WORDS_MAX)
			return false;
		words[n++] = w;
	}
	return n == 0 || read_words(s, words, n);
}

static void name_scenario(struct scenario *s, const char *path)
{
	const char *slash = strrchr(path, '/');

	(void)snprintf(s->name, sizeof(s->name), "%s", slash ? slash + 1 : path);
	s->name[strcspn(s->name, ".")] = '\0';
}

struct scenario *scenario_read(const char *path)
{
	FILE *f = fopen(path, "re");
	struct scenario *s = NEW(struct scenario);
	char line[256];
	unsigned at = 0;
	bool ok = f != NULL;

	name_scenario(s, path);
	s->net = (struct net_model){ 20000, 5000, 0 };
	while (ok && fgets(line, sizeof(line), f)) {
		at++;
		ok = read_line(s, line);
	}
	if (f)
		(void)fclose(f);
	if (ok && s->nodes > 0)
		return s;
	(void)fprintf(stderr, "%s:%u: not understood\n", path, at);
	free(s);
	return NULL;
}

void scenario_free(struct scenario *s)
{
	free(s);
}
