#include "client-api/hosts.h"

#include "tests/support/cmocka.h"

#define NAME "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst"

static void hosts(const struct api *api, const char *const *list, bool ours)
{
	for (; *list; list++)
		if (hosts_is_ours(api, str_of(*list)) != ours)
			fail_msg("%s is %s", *list, ours ? "refused" : "served");
}

static void only_our_own_names_are_served(void **state)
{
	static const struct str more[] = { STR_INIT("matrix.example.org") };
	static const char *const good[] = { "127.0.0.1", "127.0.0.1:8008", "localhost",
		"LocalHost:1", "[::1]", "[::1]:8008", "127.0.0.2", NAME, NAME ":8008",
		"Matrix.Example.Org", "localhost:", NULL };
	static const char *const bad[] = { "", ":8008", "example.org", "localhost.example.org",
		"xlocalhost", "localhost.", "127.0.0.1.example.org", "1.2.3.4", "[::2]", "[::1",
		"::1", "[::1]x", "localhost:80a", "localhost:80:80", "127.1", "0x7f.0.0.1",
		"2130706433", NULL };
	const struct api api = { .server_name = STR_INIT(NAME), .hosts = more, .n_hosts = 1 };
	(void)state;
	hosts(&api, good, true);
	hosts(&api, bad, false);
}

static void beyond_this_machine_any_address_but_no_name(void **state)
{
	static const char *const good[] = { "192.168.1.5:8008", "[fe80::1]:8008", NULL };
	static const char *const bad[] = { "example.org", "1.2.3.4.example.org", "1.2.3",
		NULL };
	const struct api api = { .any_address = true };
	(void)state;
	hosts(&api, good, true);
	hosts(&api, bad, false);
}

static void only_a_page_of_the_same_name_and_port_is_our_own(void **state)
{
	static const struct str host = STR_INIT("127.0.0.1:8008");
	static const char *const others[] = { "", "null", "http://", "127.0.0.1:8008",
		"http://127.0.0.1", "http://127.0.0.1:8009", "http://localhost:8008",
		"http://127.0.0.1:8008.example.org", "http://a@127.0.0.1:8008",
		"file://127.0.0.1:8008", "https://example.org" };

	(void)state;
	assert_true(hosts_is_own_page(host, STR("http://127.0.0.1:8008")));
	assert_true(hosts_is_own_page(
		STR("Matrix.example.org"), STR("https://matrix.example.org")));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(hosts_is_own_page(host, str_of(others[i])));
	assert_false(hosts_is_own_page(STR(""), STR("http://")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_our_own_names_are_served),
		cmocka_unit_test(beyond_this_machine_any_address_but_no_name),
		cmocka_unit_test(only_a_page_of_the_same_name_and_port_is_our_own),
	};
	return RUN_TESTS(tests);
}
