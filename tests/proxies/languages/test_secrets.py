"""No secret of a config is told, whatever the language that it stands in; and nothing else is hidden."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import HIDDEN, Deployment
from harness.proxies.languages.secrets import masked, masked_blocks, masked_program, masked_tree
from tests.proxies.languages import reading
from tests.proxies.languages.test_caddy import plain, proxy
from tests.sampling import some_of

SECRET = "s3cr3t"
Masker = Callable[[str], str]

LINES = [
    f'header_up Authorization "Bearer {SECRET}"',
    f"basic_auth {{\n\tbob $2a$14${SECRET}\n}}",
    f"tls {{\n\tdns cloudflare {SECRET}\n}}",
    f"http-request set-header X-Api-Key {SECRET}",
    f"http-request set-header Authorization Bearer\\ {SECRET} if TRUE",
    f'http-request set-header Authorization "%[str({SECRET})]"',
    f"http-request set-header Authorization %[req.hdr(x),concat({SECRET})]",
    f"http-request set-var(txn.api_token) str({SECRET})",
    f'http-check send hdr Authorization "Basic {SECRET}"',
    f'use_backend chat if {{ req.hdr(authorization) -m str "{SECRET} x" }}',
    f"acl is_ok req.hdr(authorization) {SECRET}",
    f"stats auth admin:{SECRET}",
    f"user bob insecure-password {SECRET}",
    f"user bob password $5$ab${SECRET}",
    f"setenv API_TOKEN {SECRET}",
    f"RequestHeader set Authorization 'Bearer {SECRET}'",
    f"RequestHeader setifempty Authorization '{SECRET} b c' env=X",
    f"RequestHeader set Authorization \\\n  '{SECRET}'",
    f"Header always edit Set-Cookie a {SECRET}",
    f"SetEnv API_TOKEN {SECRET}",
    f"SetEnvIf Host a API_TOKEN={SECRET}",
    f"ProxyPass / ajp://app:8009/ secret={SECRET}",
    f"ProxyPass / http://bob:{SECRET}@app:8009/",
    f"BalancerMember http://{SECRET}@app:1",
    f"AuthLDAPBindPassword {SECRET}",
    f"AuthBasicFake bob {SECRET}",
    f"SessionCryptoPassphrase {SECRET}",
    f"""<If "%{{HTTP:Authorization}} == 'Bearer {SECRET}'">""",
    f'RewriteCond %{{HTTP:Authorization}} "!={SECRET}"',
    f'# RequestHeader set Authorization "{SECRET}"',
    f"#password: {SECRET}",
    f"# db password: {SECRET}",
    f"basic_auth {{\n\tbob {SECRET}\n}}",
    f"basicauth /admin/* {{\n\tbob {SECRET}\n\tann {SECRET}\n}}\nrespond 200",
    f"basic_auth {{ bob {SECRET} }}",
    f"map {{header.x-api-key}} {{role}} {{\n\t{SECRET} admin\n\tdefault none\n}}",
    f"map {{http.request.header.X-Api-Key}} {{a}} {{b}} {{ {SECRET} a b }}",
    f'@a expression {{http.request.header.X-Api-Key}} == "my {SECRET}"',
    f'@a expression "my {SECRET}" == {{http.request.header.X-Api-Key}}',
    f"@a `{{header.X-Api-Key}} in ['a', '{SECRET}']`",
    f"@a `{{header.X-Api-Key}}.startsWith('{SECRET}')`",
    f"@a vars {{http.request.header.X-Api-Key}} {SECRET}",
    f"@a expression header({{'X-Api-Key': '{SECRET}'}})",
    f"exec app --token {SECRET}",
    f'CustomLog "|/bin/send --api-key {SECRET}" combined',
]
PROGRAMS = [
    f'API_KEY = "{SECRET}"',
    f'    API_KEY: str = "{SECRET}"',
    f'API_KEY := "{SECRET}"',
    f'apiKey: "{SECRET}",',
    f"'api-key': '{SECRET}'",
    f'"X-Api-Key": "{SECRET}"',
    f"AUTH: '{SECRET}'",
    f"session: `{SECRET}`",
    f"jwt => '{SECRET}'",
    f'cookie = "{SECRET}"',
    f"pass: {SECRET}",
    f"pwd: {SECRET}",
    f'signingKey = "{SECRET}"',
    f'process.env.API_KEY = "{SECRET}"',
    f'process.env.API_KEY ??= "{SECRET}"',
    f'const key = process.env.API_KEY || "{SECRET}"',
    f'os.environ["API_KEY"] = "{SECRET}"',
    f"headers.set('Authorization', '{SECRET}')",
    f'self.token = "{SECRET}"',
    f'API_KEY = (\n    "a"\n    "{SECRET}"\n)\nx = 1',
    f'API_KEY = os.environ.get(\n    "API_KEY",\n    "{SECRET}",\n)',
    f'API_KEY: Final = (\n    "{SECRET}"\n)',
    f'API_KEY = """\n{SECRET}\n"""\nx = 1',
    f"token = `a\n{SECRET}`;",
    f'h = {{\n  "Authorization":\n    "{SECRET}",\n}}',
    f'h.set("Authorization",\n      "{SECRET}")',
    f'API_KEY = (  # the key; it is long\n    "{SECRET}"\n)',
    f'API_KEY = (\n"{SECRET}"\n)',
    f'API_KEY = (  // an `(`\n\n"a" +\n"{SECRET}"\n)',
    f'API_KEY = "abc" +\n  "{SECRET}"',
    f'API_KEY = "abc" + \\\n"{SECRET}"',
    f'API_KEY = "abc;" +  // first; or\n"{SECRET}";',
    f'API_KEY =\n"{SECRET}"',
    f'SECRETS = {{\n  "a": "{SECRET}"\n}}',
    f'SECRETS = {{"a": 1,  # )\n  "b": ["{SECRET}"]}}',
    f'const credentials = {{\n  "a": "{SECRET}",\n}};',
    f'const credentials = {{\n"a": {{}},\n"b": "{SECRET}"\n}};',
    f'  credentials: {{\n    a: "{SECRET}",\n  }},',
    f"const credentials = /* ; */ load(`a)\n`,\n'{SECRET}');",
    f'const apiKey = process.env.K\n  ?? "{SECRET}"',
    f'const apiKey = process.env.K\n?? "{SECRET}"',
    f'headers.set(\n  "Authorization",\n  "{SECRET}"\n)',
    f'server = createServer({{ token: "{SECRET}" }})',
    f'server = createServer({{ token: "a", secret: [\n"{SECRET}"\n] }})',
    f'"headers" => [\n  "Authorization" =>\n  "{SECRET}"\n]',
    f'client.set_password("{SECRET}")',
    f'client = Client()\n  .apiKey("{SECRET}")\n  .build()',
    f'client.set_password(\n  user,\n  "{SECRET}",\n)',
    f'await db.auth(f(1), "{SECRET}")',
    f'Authorization(load("{SECRET}"))',
    f'const client = new Client({{\n  apiKey:\n    "{SECRET}",\n}});',
    f'const client = new Client({{ apiKey:\n"{SECRET}" }});',
    f'headers: [\n  {{\n    key: "X-Api-Key",\n    value: "{SECRET}",\n  }},\n]',
    f'headers: [{{ key: "X-Api-Key",\n value:\n   "{SECRET}" }}]',
    f'headers: [{{\n  value: f({{}}, "{SECRET}"),\n  "key": "X-Api-Key" }}]',
    f'Header(value="{SECRET}",\n  name="Authorization")',
    f'header {{\n  name = "X-Api-Key"\n  raw_value = "{SECRET}"\n}}',
    f'name = "X-Api-Key"\nvalue = "{SECRET}"\n',
    f'spawn("app", ["--token", "{SECRET}"])',
    f'args = [\n  "--token",\n  "{SECRET}",\n]',
    f"CMD app --token {SECRET} --port 80",
    f'if ("{SECRET}" === request.headers["x-api-key"]) {{',
]
BLOCKS = [
    f"set $x sk-{SECRET};",
    f'map $a $b {{ default "ghp_{SECRET}0123"; }}',
    f'proxy_set_header Authorization "Bearer {SECRET}";',
    f'proxy_set_header Authorization "Bearer $x {SECRET}";',
    f'proxy_set_header Authorization\n    "{SECRET}";',
    f'more_set_input_headers "Authorization: {SECRET} x";',
    f'set $api_token "a {SECRET}";',
    f'map $host $api_token {{ default "{SECRET}"; a "{SECRET}"; }}',
    f"map $http_authorization $app {{ {SECRET} app; }}",
    f'if ($http_authorization != "{SECRET}") {{ return 401; }}',
    f"fastcgi_param API_TOKEN {SECRET};",
    f"proxy_pass http://bob:{SECRET}@app/;",
    f"secure_link_secret {SECRET};",
    f'secure_link_md5 "$uri {SECRET}";',
    f"env API_TOKEN={SECRET};",
    f"rewrite ^ /x?token={SECRET};",
    f"listen 80; # Authorization: {SECRET}",
]
TREES = [
    f"Authorization: Bearer-{SECRET}",
    f"a:\n  Authorization: Bearer {SECRET}\n  b: c",
    f"password: my {SECRET} phrase  # it is",
    f'password: "my {SECRET} phrase"',
    f"password: 'it''s {SECRET}'",
    f"a:\n  password: |\n    first\n    {SECRET}\n  b: c",
    f"password: >-\n  {SECRET}\n",
    f"password: first\n  {SECRET}\n",
    f"tokens: [a]\nX-Api-Key: [a, {SECRET}]",
    f"X-Api-Key:\n- a\n- {SECRET}",
    f"customRequestHeaders: {{X-Api-Key: {SECRET}, X-Other: 1}}",
    f"header: {{key: x-api-key, value: {SECRET}}}",
    f"header: {{value: {SECRET} b, key: x-api-key}}",
    f"header:\n  key: authorization\n  value: 'Basic {SECRET}'\n",
    f"headers: [{{name: authorization, string_match: {{exact: {SECRET}}}}}]",
    f"password: {{inline_string: {SECRET}}}",
    f"default_source_code:\n  inline_string: |\n    add('authorization', '{SECRET}')\n",
    f'"X-Api-Key": [\n\t"a",\n\t"{SECRET}"\n]',
    f'{{"password": "{SECRET}"}}',
    f"basicAuth: {{users: ['a:$apr1${SECRET}']}}",
    f"users:\n  - 'bob:{{SHA}}{SECRET}='",
    f"url: http://bob:{SECRET}@app/",
    f"x: Bearer {SECRET}",
    f"x: &a {{Authorization: {SECRET}}}\ny: *a",
    f"a: b\n# Authorization: {SECRET}\n",
    f"a: {{b: ${{PORT}}, token: {SECRET}}}",
    f"a: [{SECRET}\n",
    f"rule: Header(`X-Api-Key`, `{SECRET}`)",
    f"rule: PathPrefix(`/`) && (Query(`token`, `{SECRET}`) || Cookie(`lb`, `{SECRET}`))",
    f"rule: HeaderRegexp(`X-Api-Key`, `^{SECRET} b$`)",
    f"rule: >-\n  Headers(`X-Api-Key`,\n  `{SECRET}`)\n",
    f'"rule": "Header(`X-Api-Key`, `{SECRET}`)"',
    f'"rule": "Header(\\"X-Api-Key\\", \\"{SECRET}\\")"',
    f'labels: ["traefik.http.routers.a.rule=Header(`X-Api-Key`, `{SECRET}`)"]',
    f'{{"handler": "map", "source": "{{http.request.header.X-Api-Key}}", "mappings": [{{"input": "{SECRET}"}}]}}',
    f'{{"destinations": ["{{a}}", "{{api_token}}"], "mappings": [{{"outputs": ["a", "{SECRET}"]}}]}}',
    f'{{"vars": {{"{{http.request.header.X-Api-Key}}": ["{SECRET}"]}}}}',
    f'"expression": "{{http.request.header.X-Api-Key}} == \\"{SECRET}\\""',
    f"text: request.headers['x-api-key'] == '{SECRET}'",
    f'command: ["app", "--token", "{SECRET}"]',
    f"args:\n- --api-key\n- {SECRET}\n- --port\n- 80\n",
    f"command: app --token {SECRET} --port 80",
]
EVERY = (
    [(masked, one) for one in LINES]
    + [(masked_program, one) for one in PROGRAMS]
    + [(masked_blocks, one) for one in BLOCKS]
    + [(masked_tree, one) for one in TREES]
)


PASSWORDS = (
    f"{SECRET}password",
    f"my-token-{SECRET}",
    f"password={SECRET}",
    f"it's{SECRET}",
    f"a@{SECRET}",
    f"$k?#{SECRET}",
)
URLS = [
    'add_header X-Debug "https://user:{}@db.example/" always;',
    "add_header X-D http://admin:{}@db/;",
    "set $u http://admin:{}@db;",
    'return 301 "http://{}@db/";',
    'map $host $u {{ default "redis://:{}@db"; }}',
    "# add_header X-D http://admin:{}@db/;",
    'Header set X-D "http://admin:{}@db/"',
    "RequestHeader append X-D http://admin:{}@db/ env=x",
    "http-request set-header X-D http://admin:{}@db/ if TRUE",
    "header_down X-D http://admin:{}@db/",
    'X-D: "http://admin:{}@db/"',
    "a: [b, {{x: http://admin:{}@db/}}]",
    '{{"x": "http:\\/\\/admin:{}@db\\/"}}',
    "x: >\n  see http://admin:{}@db/\n  and more",
]


@pytest.mark.parametrize("masker", [masked, masked_program, masked_blocks, masked_tree])
@pytest.mark.parametrize("around", URLS)
def test_of_a_url_name_and_password_are_hidden_whatever_they_say(masker: Masker, around: str) -> None:
    for password in PASSWORDS:
        told = masker(around.format(password))
        assert SECRET not in told, password
        assert "admin" not in told
        assert told.count("\n") == around.count("\n")


@pytest.mark.parametrize("around", URLS)
def test_and_nothing_else_of_it(around: str) -> None:
    masker = masked_tree if ": " in around else masked_blocks
    told = masker(around.format("password")).replace(HIDDEN, "")
    assert told == re.sub("(user:|admin:|:)?{}", "", around.replace("{{", "{").replace("}}", "}"))


@pytest.mark.parametrize(("masker", "text"), EVERY)
def test_values_of_secret_names_are_hidden(masker: Masker, text: str) -> None:
    assert SECRET not in masker(text)
    assert "(redacted)" in masker(text)
    assert masker(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("masker", "text"),
    [
        (masked_blocks, "return 301 https://$host/@user;  # see http://a.example, or write to me@b.example"),
        (masked_blocks, "ssl_certificate_key /etc/ssl/a.key;"),
        (masked_blocks, "proxy_set_header Authorization $http_authorization;"),
        (masked_blocks, 'proxy_set_header Authorization "Bearer ${token}";'),
        (masked_blocks, 'map $http_upgrade $session { default ""; default $host; }'),
        (
            masked_blocks,
            "upstream auth { server token:80; }\nlocation /auth/token { auth_request /auth; }",
        ),
        (masked_blocks, "# the session goes on\nserver_tokens off;"),
        (masked_tree, 'keyFile: "${CERTIFICATE_KEY}"'),
        (masked_tree, "private_key: {filename: /etc/tls.key}"),
        (masked_tree, "routers: {auth: {rule: Path(`/auth`), service: token}}"),
        (masked_tree, "sticky: {cookie: {name: lb, secure: true}}"),
        (masked_tree, '{\n\t"key": "${CERTIFICATE_KEY}"}'),
        (masked, "RequestHeader set X-Forwarded-Proto https"),
        (masked, "LoadModule auth_basic_module modules/mod_auth_basic.so\n<IfModule mod_session.c>"),
        (masked, "cookie SRV insert indirect"),
        (masked, "server auth 10.0.0.1:80 check cookie a"),
        (masked, "use_backend auth if { path_beg /token }"),
        (masked, "http-request set-header Host app"),
        (masked, "http-request set-header Authorization %[req.hdr(x-token)]"),
        (masked_program, "if token:\n    return app\nclass Session:\n    pass"),
        (masked_program, "API_KEY = (\n)\nreturn app"),
        (masked_program, 'if request.cookies.get("session"):\n    return stream(app)'),
        (masked_program, '@app.post("/auth", status_code=200)'),
        (masked, "forward_auth app:9091 {\n\turi /verify\n}"),
        (masked, "server s1 my.session:80 check"),
        (masked, "map {path} {role} {\n\t/a admin\n}"),
        (masked, "header_up X-Role {role}\nreverse_proxy {header.x-api-key}"),
        (masked_tree, "rule: Host(`auth.example.com`, `b.example.com`) && Path(`/token`) && Header(`X-Role`, `admin`)"),
        (masked_tree, "command: [app, --port, 80, --tls-key-file=]"),
        (masked_tree, '{"source": "{path}", "mappings": [{"input": "/a", "outputs": ["b"]}]}'),
        (masked_program, 'headers: [\n  {\n    name: "X-Accel-Buffering",\n    value: "no",\n  },\n]'),
        (masked_program, 'key: "X-Api-Key",\n'),
        (masked_program, "verify_token(user, request)"),
        (masked_program, 'if role == "admin":\n    run("app", ["--port", "80"])'),
        (masked_program, "session:\n"),
    ],
)
def test_nothing_else_is(masker: Masker, text: str) -> None:
    assert masker(text) == text


@pytest.mark.parametrize(
    "line",
    [
        "def chat(token: str,",
        "class Chat(Session):",
        "if token:  # there is one",
        "return get(token=token,",
        'router.get("/chat", auth, async (request, answer) => {',
        "tokens.forEach(token => {",
        "tokens.forEach((token) => {",
        "API_KEY = 'x';",
        'client = Client({ token: "x" }, {',
    ],
)
def test_what_follows_a_secret_that_ends_on_its_line_is_shown(line: str) -> None:
    rest = "\n    return stream(app)\n"
    assert masked_program(line + rest).endswith(rest)


@pytest.mark.parametrize(
    "secret", ["API_KEY = (\n    'x'\n)", "const apiKey = {\n'a': 'x'\n};", "API_KEY = 'x' +\n    'y'", "token = `\nx`"]
)
def test_what_follows_one_that_ends_on_a_later_line_is_shown(secret: str) -> None:
    rest = "\nreturn stream(app)\n"
    assert masked_program(secret + rest).endswith(rest)


PIECES: tuple[str, ...] = (
    "apiKey: ",
    "token=",
    '"token", ',
    "token:#",
    "token = (",
    "a.token=/*",
    '"',
    "`",
    "token=\n",
    "token(",
)
PIECES += ("a('token', ", "key: 'token', ", "{key:[", "--token ", "{token}in[", '\\"')


@some_of(("piece", "masker"), product(PIECES, [masked, masked_program, masked_blocks, masked_tree]), each=5)
def test_how_long_a_line_takes_grows_with_its_length_and_not_with_its_square(piece: str, masker: Masker) -> None:
    def spent(size: int) -> float:
        text = piece * (size // len(piece))
        started = time.process_time()
        masker(text)
        return time.process_time() - started

    short_s, long_s = max(spent(5_000) for _ in range(3)), min(spent(80_000) for _ in range(2))
    assert long_s < 128 * short_s, "by its square 256 times as long"


@given(
    st.sampled_from([masked, masked_program, masked_blocks, masked_tree]),
    st.lists(st.sampled_from([one for _, one in EVERY]), max_size=3),
)
def test_lines_stay_where_they_are(masker: Masker, parts: list[str]) -> None:
    text = "\n".join(parts)
    assert masker(text).count("\n") == text.count("\n")


SITE = "<VirtualHost *:80>\n{}\nProxyPass / http://app:1/\n</VirtualHost>\n"
LISTEN = "listen l\n bind :80\n {}\n server s app:1\n"
ROUTES = """\
http:
  routers: {{all: {{rule: "PathPrefix(`/`)", service: app, middlewares: [m]}}}}
  middlewares:
    m:
      headers:
        customRequestHeaders:
          {}
  services: {{app: {{loadBalancer: {{servers: [{{url: "http://bob:s3cr3t@app:1"}}]}}}}}}
"""
BOOTSTRAP = """\
static_resources:
  listeners:
  - address: {{socket_address: {{address: 0.0.0.0, port_value: 80}}}}
    filter_chains:
    - filters:
      - typed_config:
          route_config:
            request_headers_to_add:
              {}
            virtual_hosts: [{{domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: a}}}}]}}]
  clusters:
  - name: a
    load_assignment: {{endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{pipe: {{path: /a.sock}}}}}}}}]}}]}}
"""
KEY = " " * 18
WAYS = [
    ("apache", SITE, f'RequestHeader set Authorization "Bearer {SECRET}"'),
    ("apache", SITE, f"ProxyPass /x http://bob:{SECRET}@app:1/"),
    ("apache", SITE, f"ProxyPass /x http://app:1/ secret={SECRET}"),
    ("haproxy", LISTEN, f'http-request set-header Authorization "Bearer {SECRET}"'),
    ("haproxy", LISTEN, f"http-request set-header Authorization Bearer\\ {SECRET}"),
    ("haproxy", LISTEN, f"stats auth 'bob:a {SECRET}'"),
    ("traefik", ROUTES, f"Authorization: Bearer {SECRET}"),
    ("traefik", ROUTES, f'Authorization: "Bearer {SECRET}"'),
    ("traefik", ROUTES, f"X-Password: |\n            a\n            {SECRET}"),
    ("envoy", BOOTSTRAP, f"- header: {{key: authorization, value: Bearer {SECRET}}}"),
    ("envoy", BOOTSTRAP, f"- header: {{value: 'my {SECRET}', key: authorization}}"),
    (
        "envoy",
        BOOTSTRAP,
        f"- header:\n{KEY}key: x-password\n{KEY}value: >\n{KEY}  {SECRET}",
    ),
]


@pytest.mark.parametrize(("language", "around", "line"), WAYS)
def test_no_diff_of_any_language_tells_one(tmp_path: Path, language: str, around: str, line: str) -> None:
    name = {"traefik": "t.yml", "envoy": "e.yaml"}.get(language, "c.cfg")
    fitted = reading.fit(language, tmp_path, {name: around.format(line)})
    assert SECRET in "".join(source.text for source in fitted.texts)
    assert SECRET not in fitted.diff()
    assert "--- " in fitted.diff()
    assert "(redacted)" in fitted.diff()


def test_nor_does_that_of_caddys(tmp_path: Path) -> None:
    headers = {"request": {"set": {"Authorization": ["a", f"Bearer {SECRET}"], "X-Password": [f"my {SECRET}"]}}}
    text = json.dumps(plain(proxy("app:1", headers=headers)))
    fitted = reading.fit("caddy", tmp_path, {"c.json": text}, Deployment())
    (made,) = fitted.texts.values()
    assert SECRET in made
    assert SECRET not in fitted.diff() + fitted.masked(made)
    assert fitted.masked(made).count("(redacted)") == 3
