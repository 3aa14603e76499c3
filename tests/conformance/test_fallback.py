"""Pages for people whose client can't ask them itself (UIA's "Fallback", "Login Fallback")."""
import html.parser
import re
import urllib.parse

from client import Case, Client, Node, path

PASSWORD = "pass word+&=%é"
DONE = 'window.opener.postMessage("authDone", "*")'
FORM = "application/x-www-form-urlencoded"
SCRIPT = '"><script>alert(1)</script>'


class Form(html.parser.HTMLParser):
    """The form of a page: what a person could fill in."""

    def __init__(self, answer):
        super().__init__()
        self.method = None
        self.fields = []
        self.feed(answer.data.decode())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.method = attrs.get("method")
            assert "action" not in attrs
        elif tag == "input":
            self.fields.append(attrs["name"])


class Fallback(Case):
    def page(self, stage, session, **more):
        """What a browser gets for the page of a stage, or for its form filled with more."""
        target = path("/v3/auth/{}/fallback/web", stage)
        target += "?" + urllib.parse.urlencode({"session": session})
        browser = Client(self.node)
        if not more:
            return browser.raw("GET", target)
        headers = {"Content-Type": FORM, **more.pop("headers", {})}
        return browser.raw("POST", target, urllib.parse.urlencode(more).encode(), headers)

    def check_page(self, answer, status=200):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["Content-Type"], "text/html; charset=utf-8")
        policy = answer.headers["Content-Security-Policy"]
        for part in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
            self.assertIn(part, policy)
        nonce = re.search(r"script-src 'nonce-([^']{22})'", policy)[1]
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(answer.headers["Referrer-Policy"], "same-origin")
        self.assertNotIn("Cross-Origin-Opener-Policy", answer.headers)  # the opener must be told
        text = answer.data.decode()
        for tag in re.findall(r"<(?:script|style)[^>]*>", text):
            self.assertIn(f'nonce="{nonce}"', tag)
        return text

    def session_of(self, call):
        self.assertEqual(call.status, 401, call)
        return call.json["session"]

    def test_a_password_is_given_on_the_page_and_the_client_goes_on(self):
        u = self.node.user("paged", PASSWORD)
        other = u.again(PASSWORD)
        session = self.session_of(u.call("DELETE", "/v3/devices/{}", other.device_id))
        shown = self.page("m.login.password", session)
        self.assertNotIn(DONE, self.check_page(shown))
        self.assertNotIn("paged", shown.data.decode())
        form = Form(shown)
        self.assertEqual((form.method, form.fields), ("post", ["password"]))

        wrong = self.page("m.login.password", session, password=PASSWORD + " ")
        self.assertNotIn(DONE, self.check_page(wrong, 401))
        self.assertEqual(Form(wrong).fields, ["password"])
        early = u.call("DELETE", "/v3/devices/{}", other.device_id, body={"auth": {"session": session}})
        self.assertEqual(self.session_of(early), session)

        done = self.page("m.login.password", session, password=PASSWORD)
        self.assertIn(DONE, self.check_page(done))
        self.assertIn("window.onAuthDone()", done.data.decode())
        u.ok("DELETE", "/v3/devices/{}", other.device_id, body={"auth": {"session": session}})
        self.assertIn("over", self.check_page(self.page("m.login.password", session), 400))

    def test_the_page_completes_nothing_else_and_for_nobody_else(self):
        u, eve = self.node.user("meant", PASSWORD), self.node.user("eve", PASSWORD)
        other = u.again(PASSWORD)
        session = self.session_of(u.call("DELETE", "/v3/devices/{}", other.device_id))
        self.check_page(self.page("m.login.password", session, password=PASSWORD))
        out = eve.call("DELETE", "/v3/devices/{}", other.device_id, body={"auth": {"session": session}})
        self.assertEqual((out.status, out.errcode), (403, "M_FORBIDDEN"))
        out = u.call("POST", "/v3/account/deactivate", body={"auth": {"session": session}})
        self.assertEqual((out.status, out.errcode), (403, "M_FORBIDDEN"))

    def test_the_dummy_stage_is_a_button(self):
        body = {"username": "buttoned", "password": PASSWORD}
        c = Client(self.node)
        session = self.session_of(c.call("POST", "/v3/register", body=body))
        shown = self.page("m.login.dummy", session)
        self.check_page(shown)
        self.assertEqual((Form(shown).method, Form(shown).fields), ("post", []))
        self.assertIn(DONE, self.check_page(self.page("m.login.dummy", session, x="")))
        out = c.ok("POST", "/v3/register", body={**body, "auth": {"session": session}})
        self.assertTrue(out["user_id"].startswith("@buttoned:"))

    def test_what_is_sent_is_never_written_into_a_page(self):
        c = Client(self.node)
        session = self.session_of(c.call("POST", "/v3/register", body={}))
        for answer in (self.page("m.login.dummy", SCRIPT), self.page("m.login.dummy", session, x=SCRIPT),
                       self.page("m.login.dummy", SCRIPT, x=SCRIPT)):
            self.assertNotIn("alert(1)", self.check_page(answer, answer.status))
        for stage in (SCRIPT, "m.login.recaptcha", "m.login.password\0"):
            out = self.page(stage, session)
            self.assertIn(out.status, (400, 404))
            self.assertEqual(out.headers["Content-Type"], "application/json")
            self.assertNotIn("<script", out.data.decode())
        text = self.check_page(c.raw("GET", "/_matrix/static/client/login/?device_id=" + urllib.parse.quote(SCRIPT)))
        self.assertNotIn("alert(1)", text)

    def test_sessions_stages_and_forms_that_are_wrong(self):
        c = Client(self.node)
        session = self.session_of(c.call("POST", "/v3/register", body={}))
        for stage, name in (("m.login.password", session), ("m.login.registration_token", session),
                            ("m.login.dummy", "never"), ("m.login.dummy", "")):
            self.check_page(self.page(stage, name), 400)
            self.check_page(self.page(stage, name, password="x", token="x"), 400)
        self.check_page(c.raw("GET", path("/v3/auth/{}/fallback/web", "m.login.dummy")), 400)
        out = self.page("m.login.dummy", session, x="a" * 5000)
        self.assertEqual((out.status, out.errcode), (413, "M_TOO_LARGE"))
        for origin in ("https://evil.example", "null", f"http://127.0.0.1:{self.node.port + 1}",
                       f"http://localhost:{self.node.port}", f"http://127.0.0.1:{self.node.port}.evil.example"):
            out = self.page("m.login.dummy", session, x="", headers={"Origin": origin})
            self.assertEqual((out.status, out.errcode), (403, "M_FORBIDDEN"), origin)
        out = c.call("POST", "/v3/register", body={"password": PASSWORD, "auth": {"session": session}})
        self.assertEqual((out.status, out.json["completed"]), (401, []))

    def test_the_login_page_asks_and_signs_in(self):
        for target in ("/_matrix/static/client/login/", "/_matrix/static/client/login?device_id=D"):
            answer = Client(self.node).raw("GET", target)
            text = self.check_page(answer)
            self.assertEqual(Form(answer).fields, ["user", "password"])
            self.assertIn("window.matrixLogin.onLogin(response)", text)
            self.assertIn("connect-src 'self'", answer.headers["Content-Security-Policy"])


class Tokens(Case):
    """A node that gives accounts by token: its clients may not know the stage."""

    class ClosedNode(Node):
        extra = ["--registration", "closed"]

    def test_a_registration_token_is_given_on_the_page(self):
        node = self.ClosedNode(self.program)
        self.addCleanup(node.remove)
        node.start()
        token = (node.dir / "data" / "owner-token").read_text().strip()
        c = Client(node)
        body = {"username": "owner", "password": PASSWORD}
        session = c.call("POST", "/v3/register", body=body).json["session"]
        target = path("/v3/auth/{}/fallback/web", "m.login.registration_token")
        target += "?" + urllib.parse.urlencode({"session": session})
        shown = c.raw("GET", target)
        self.assertEqual(Form(shown).fields, ["token"])
        self.assertNotIn(token, shown.data.decode())
        own = {"Content-Type": FORM, "Origin": f"http://127.0.0.1:{node.port}", "Sec-Fetch-Site": "same-origin"}
        for given, status in ((token[:-1], 401), ("", 401), (f" {token}\n", 200)):
            out = c.raw("POST", target, urllib.parse.urlencode({"token": given}).encode(), own)
            self.assertEqual((out.status, DONE in out.data.decode()), (status, status == 200), given)
        out = c.ok("POST", "/v3/register", body={**body, "auth": {"session": session}})
        self.assertTrue(out["user_id"].startswith("@owner:"))
