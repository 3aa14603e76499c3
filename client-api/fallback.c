/*
 * fallback: pages for people whose client can't ask them itself (client-server API, "Fallback"
 * of the User-Interactive Authentication API, and "Login Fallback").
 *
 * Such a client opens the page of the stage that it doesn't know in a browser and goes on when
 * the page says that it is done. Nothing that was sent is ever written into a page, which may
 * load nothing and run its own script alone (security.md, L9).
 */
#include <string.h>

#include "client-api/interactive.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/base/base64.h"

#define FORM_BYTES  4096
#define NONCE_BYTES 16

/* A stage that a page can ask for. field: of the form and of auth; NULL: a button is all. */
struct stage_page {
	const char *type;
	const char *title;
	const char *form;
	const char *field;
	bool copied; /* people paste it, with blanks around it */
};

static const char style[] =
	"body{font:1rem/1.5 system-ui,sans-serif;margin:0;background:#f4f4f2;color:#222}"
	"main{max-width:24rem;margin:12vh "
	"auto;padding:1.5rem;background:#fff;border-radius:.5rem}"
	"h1{font-size:1.25rem;margin:0 0 1rem}"
	"label{display:block;margin:.75rem 0}"
	"input{box-sizing:border-box;width:100%;font:inherit;padding:.5rem;border:1px solid "
	"#999;"
	"border-radius:.25rem}"
	"button{font:inherit;padding:.5rem 1.25rem;border:0;border-radius:.25rem;"
	"background:#14532d;color:#fff}"
	"[role=alert]{color:#a30000;font-weight:bold}"
	"@media(prefers-color-scheme:dark){body{background:#111;color:#eee}"
	"main{background:#222}input{background:#333;color:#eee}[role=alert]{color:#ff9b9b}}";

static const struct stage_page stage_pages[] = {
	{ "m.login.password", "Is it you?",
		"<label>Your password<input type=\"password\" name=\"password\""
		" autocomplete=\"current-password\" required autofocus></label>",
		"password" },
	{ "m.login.registration_token", "A token for the account",
		"<p>Whoever runs this node has given you a token, or the node printed one when"
		" it first started.</p>"
		"<label>Registration token<input name=\"token\" autocomplete=\"off\""
		" autocapitalize=\"none\" spellcheck=\"false\" required autofocus></label>",
		"token", true },
	{ "m.login.dummy", "One more step", "<p>Nothing is asked for here.</p>", NULL },
};

/* As the specification words it. */
static const char auth_done_script[] =
	"if (window.onAuthDone) {\n"
	"    window.onAuthDone();\n"
	"} else if (window.opener && window.opener.postMessage) {\n"
	"    window.opener.postMessage(\"authDone\", \"*\");\n"
	"}\n";

static const char login_form[] =
	"<form><label>User name<input name=\"user\" autocomplete=\"username\""
	" autocapitalize=\"none\" spellcheck=\"false\" required autofocus></label>"
	"<label>Password<input type=\"password\" name=\"password\""
	" autocomplete=\"current-password\" required></label>"
	"<p role=\"alert\"></p><button>Sign in</button></form>"
	"<noscript><p role=\"alert\">This page needs JavaScript.</p></noscript>";

static const char login_script[] =
	"const form = document.querySelector(\"form\");\n"
	"const said = document.querySelector(\"[role=alert]\");\n"
	"const query = new URLSearchParams(location.search);\n"
	"form.addEventListener(\"submit\", async (event) => {\n"
	"  event.preventDefault();\n"
	"  const body = {type: \"m.login.password\", password: form.password.value,\n"
	"    identifier: {type: \"m.id.user\", user: form.user.value.trim()}};\n"
	"  for (const name of [\"device_id\", \"initial_device_display_name\"])\n"
	"    if (query.has(name)) body[name] = query.get(name);\n"
	"  if (query.get(\"refresh_token\") === \"true\") body.refresh_token = true;\n"
	"  try {\n"
	"    const answer = await fetch(\"/_matrix/client/v3/login\", {method: \"POST\",\n"
	"      headers: {\"Content-Type\": \"application/json\"}, body: "
	"JSON.stringify(body)});\n"
	"    const response = await answer.json();\n"
	"    if (!answer.ok) { said.textContent = response.error; return; }\n"
	"    form.hidden = true;\n"
	"    document.querySelector(\"h1\").textContent = \"You are signed in\";\n"
	"    if (window.matrixLogin && window.matrixLogin.onLogin)\n"
	"      window.matrixLogin.onLogin(response);\n"
	"  } catch (e) { said.textContent = \"The node doesn't answer.\"; }\n"
	"});\n";

/* What goes into a page; all of it is constant text of this file or of node/user/uia.c. */
struct page {
	unsigned status;
	const char *title;
	const char *main;   /* HTML */
	const char *alert;  /* plain words; NULL: none */
	bool form;          /* main is what a form holds that is posted to the page's own URL */
	const char *script; /* or NULL */
};

static void reply_page(struct request *r, const struct page *p)
{
	CLEANUP(buf_deinit) struct buf html = { 0 };
	CLEANUP(buf_deinit) struct buf text = { 0 };
	unsigned char random[NONCE_BYTES];
	struct str nonce;

	rng_fill(r->api->rng, random, sizeof(random));
	base64_put_url(&text, random, sizeof(random));
	nonce = arena_str(r->arena, buf_str(&text));
	buf_printf(&html,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
		"<title>%s</title><style "
		"nonce=\"%.*s\">%s</style></head><body><main><h1>%s</h1>",
		p->title, STR_FMT(nonce), style, p->title);
	if (p->alert)
		buf_printf(&html, "<p role=\"alert\">%s</p>", p->alert);
	buf_printf(&html,
		p->form ? "<form method=\"post\">%s<button>Continue</button></form>" : "%s",
		p->main);
	if (p->script)
		buf_printf(&html, "<script nonce=\"%.*s\">\n%s</script>", STR_FMT(nonce),
			p->script);
	buf_put_z(&html, "</main></body></html>\n");
	reply_header(r, "Content-Security-Policy",
		arena_printf(r->arena,
			"default-src 'none'; script-src 'nonce-%.*s'; style-src 'nonce-%.*s'; "
			"connect-src 'self'; form-action 'self'; base-uri 'none'; "
			"frame-ancestors 'none'",
			STR_FMT(nonce), STR_FMT(nonce)));
	reply_header(r, "Cache-Control", STR("no-store"));
	/* "no-referrer" would take the Origin off our own form, too. */
	reply_header(r, "Referrer-Policy", STR("same-origin"));
	reply_header(r, "X-Content-Type-Options", STR("nosniff"));
	reply_header(r, "X-Frame-Options", STR("DENY"));
	reply_bytes(r, p->status, "text/html; charset=utf-8", buf_str(&html));
}

static void reply_over(struct request *r)
{
	reply_page(r,
		&(struct page){ .status = 400,
			.title = "This step is over",
			.main = "<p>Go back to your app and begin again.</p>" });
}

static void reply_form(
	struct request *r, const struct stage_page *stage, unsigned status, const char *alert)
{
	reply_page(r,
		&(struct page){ .status = status,
			.title = stage->title,
			.main = stage->form,
			.alert = alert,
			.form = true });
}

/* --- a stage of user-interactive authentication --------------------------------------------
 */

static const struct stage_page *find_stage(struct str type)
{
	for (size_t i = 0; i < sizeof(stage_pages) / sizeof(stage_pages[0]); i++)
		if (str_eq(type, str_of(stage_pages[i].type)))
			return &stage_pages[i];
	return NULL;
}

/* The stage that the path names and the query's session waits for; NULL: it has replied. */
static const struct stage_page *waiting_stage(
	struct request *r, struct str *session, struct str *user_id)
{
	const struct stage_page *stage = find_stage(r->args[0]);

	if (!stage) {
		reply_error(
			r, 404, "M_UNRECOGNIZED", "There is no such type of authentication");
		return NULL;
	}
	if (request_query(r, "session", session) &&
		uia_waits_for(r->api->users, *session, r->args[0], user_id))
		return stage;
	reply_over(r);
	return NULL;
}

static enum err get_stage(struct request *r)
{
	struct str session, user_id;
	const struct stage_page *stage = waiting_stage(r, &session, &user_id);

	if (stage)
		reply_form(r, stage, 200, NULL);
	return ERR_OK;
}

struct stage_call {
	struct uia_call call;
	struct request *request;
	const struct stage_page *stage;
	size_t n;
	char form[FORM_BYTES];
};

static void tried(struct uia_call *c, enum uia_outcome outcome, enum err err, struct str reply)
{
	struct stage_call *call = CONTAINER_OF(c, struct stage_call, call);
	struct request *r = call->request;

	(void)reply;
	if (outcome == UIA_PASSED) {
		reply_page(r,
			&(struct page){ .status = 200,
				.title = "Done",
				.main = "<p>You can close this page and go back to your "
					"app.</p>",
				.script = auth_done_script });
		return;
	}
	if (err == ERR_FORBIDDEN) {
		reply_form(r, call->stage, 401, "That is not right. Try again.");
		return;
	}
	if (err == ERR_NOT_FOUND) {
		reply_over(r);
		return;
	}
	r->why = c->why;
	reply_err(r, err);
}

static enum err form_data(struct request *r, struct str bytes)
{
	struct stage_call *call = r->ctx;

	if (bytes.n > sizeof(call->form) - call->n)
		return err_set(&r->why, ERR_TOO_LARGE, "The form is too large");
	memcpy(call->form + call->n, bytes.p, bytes.n);
	call->n += bytes.n;
	return ERR_OK;
}

static enum err form_end(struct request *r)
{
	struct stage_call *call = r->ctx;
	const struct stage_page *stage = NULL;
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct jw w = jw_to(&text);
	const struct json *auth = NULL;
	struct str session, user_id, value = STR("");
	enum err err;

	stage = waiting_stage(r, &session, &user_id);
	if (!stage)
		return ERR_OK;
	if (user_id.n) {
		err = request_limit_login(r, user_id);
		if (err)
			return err;
	}
	jw_obj(&w);
	jw_kv_z(&w, "type", stage->type);
	jw_kv_str(&w, "session", session);
	if (stage->field) {
		(void)request_form(
			r, (struct str){ call->form, call->n }, stage->field, &value);
		jw_kv_str(&w, stage->field, stage->copied ? str_trim(value) : value);
	}
	jw_end(&w);
	err = json_parse_in(r->arena, buf_str(&text), &json_limits_client, &auth, &r->why);
	if (err)
		return err;
	call->stage = stage;
	call->call.done = tried;
	uia_complete(r->api->users, auth, &call->call);
	return ERR_OK;
}

static const struct request_sink form_sink = { form_data, form_end };

static enum err post_stage(struct request *r)
{
	struct stage_call *call = NULL;

	if (r->cross_origin)
		return err_set(&r->why, ERR_FORBIDDEN, "The form is not this node's own");
	call = ARENA_NEW(r->arena, struct stage_call);
	call->request = r;
	r->ctx = call;
	request_body_start(r, &form_sink);
	return ERR_OK;
}

/* --- signing in -----------------------------------------------------------------------------
 */

static enum err get_login_page(struct request *r)
{
	reply_page(r,
		&(struct page){ .status = 200,
			.title = "Sign in",
			.main = login_form,
			.script = login_script });
	return ERR_OK;
}

#define STAGE_PATH "/_matrix/client/v3/auth/{authType}/fallback/web"

const struct route fallback_routes[] = {
	{ "authFallback", "GET", STAGE_PATH, AUTH_NONE, COST_READ, get_stage },
	{ "authFallback", "POST", STAGE_PATH, AUTH_NONE, COST_LOGIN, post_stage, BODY_STREAM,
		FORM_BYTES },
	{ "loginFallback", "GET", "/_matrix/static/client/login/", AUTH_NONE, COST_READ,
		get_login_page },
	{ "loginFallback", "GET", "/_matrix/static/client/login", AUTH_NONE, COST_READ,
		get_login_page },
	{ 0 },
};
