/* An app that embeds a node, written as an app's author would: kith.h alone. Opens a node in
 * the directory given, asks it for its versions in process, makes an account, and ends. */
#include <kith.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static atomic_int answers;

static void *serve(void *arg)
{
	kith_run(arg);
	return NULL;
}

static void on_versions(
	void *arg, int status, const char *type, const void *body, size_t body_len)
{
	int ok = status == 200 && body_len > 0 && strstr(type, "json") != NULL;

	(void)body;
	printf("versions: %s\n", ok ? "ok" : "failed");
	atomic_fetch_add(&answers, ok);
	kith_stop(arg);
}

static void on_register(
	void *arg, enum kith_status status, const char *answer, const struct kith_error *why)
{
	struct kith_request req = { .method = "GET", .target = "/_matrix/client/versions" };

	printf("register: %s\n", status == KITH_OK ? answer : why->text);
	atomic_fetch_add(&answers, status == KITH_OK);
	kith_request(arg, &req, on_versions, arg);
}

int main(int argc, char **argv)
{
	struct kith_config *c = kith_config_new();
	struct kith_error why = { { 0 } };
	struct kith *k = NULL;
	char *name = NULL;
	char *recovery = NULL;
	pthread_t thread;
	enum kith_status status;

	if (argc != 2)
		return 2;
	status = kith_config_set(c, "data-dir", argv[1], &why);
	if (!status)
		status = kith_config_set(c, "listen", "127.0.0.1:0", &why);
	if (!status)
		status = kith_config_set(c, "link-listen", "127.0.0.1:0", &why);
	if (!status)
		status = kith_config_set(c, "password-cost", "low", &why);
	if (!status)
		status = kith_init(c, &name, &recovery, &why);
	if (!status)
		status = kith_open(c, &k, &why);
	if (!status)
		status = kith_start(k, &why);
	if (status) {
		printf("failed: %s\n", why.text);
		return 1;
	}
	printf("%s listens on %s\n", kith_server_name(k), kith_listen_address(k));
	(void)pthread_create(&thread, NULL, serve, k);
	kith_node_command(k, "register", "{\"user\": \"alice\", \"password\": \"secret word\"}",
		on_register, k);
	(void)pthread_join(thread, NULL);
	kith_close(k);
	kith_string_free(name);
	kith_string_free(recovery);
	kith_config_free(c);
	return atomic_load(&answers) == 2 ? 0 : 1;
}
