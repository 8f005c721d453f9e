/* tests/unit/linksocks_api_test.c - the admin API: every row of the protocol's table, byte for byte. */
#include "protocols/linksocks/api.h"
#include "tests/unit/linksocks_world.h"

static const char json_type_text[] = "application/json", plain_type_text[] = "text/plain; charset=utf-8";
static const char right[] = "the key", wrong[] = "the kez";

static struct {
	unsigned status;
	const char *content_type;
	char body[4096];
	bool ran;                                /* on worker 0 */
} answer;

static void ask_as(const char *key, bool own, const char *method, const char *path, const char *body)
{
	struct api_call call;
	struct http_exchange request = {.method = slice_of(method),
					.path = slice_of(path),
					.api_key = slice_of(key),
					.body = slice_of(body)};
	api_read(&request, &world.config.api_key, own, &call);
	answer.ran = call.action != API_ANSWER;
	if (!answer.ran) {
		answer.status = call.status;
		answer.content_type = call.content_type;
		snprintf(answer.body, sizeof answer.body, "%s", call.body);
		return;
	}
	struct json_text text;
	json_text_init(&text, &world.hubs[0].bufs);
	api_run(server_on(0), &call, &text);
	api_wipe(&call);
	assert_false(text.failed);
	answer.status = 200;
	answer.content_type = json_type_text;
	assert_in_range(text.buf->used, 1, sizeof answer.body - 1);
	memcpy(answer.body, text.buf->bytes, text.buf->used);
	answer.body[text.buf->used] = 0;
	json_text_fini(&text);
	settle();
	replicas_are_alike();
}

static void ask(const char *method, const char *path, const char *body)
{
	ask_as(right, true, method, path, body);
}

static void answered(unsigned status, const char *content_type, const char *body)
{
	assert_int_equal(answer.status, status);
	assert_string_equal(answer.body, body);
	if (content_type)
		assert_string_equal(answer.content_type, content_type);
	else
		assert_null(answer.content_type);
}

static void post(const char *body, const char *wanted)
{
	ask("POST", "/api/token", body);
	answered(200, json_type_text, wanted);
}

static void begin(bool api)
{
	world.config = (struct config_linksocks){.enabled = true};
	if (api)
		secret_set(&world.config.api_key, slice_of(right));
	world_begin();
}

static int begin_with_key(void **state)
{
	begin(true);
	return 0;
}

static int begin_without_key(void **state)
{
	begin(false);
	return 0;
}

static int end(void **state)
{
	world_end();
	secret_fini(&world.config.api_key);
	return 0;
}

/* ---- paths, methods, keys ---- */

static void root(void **state)
{
	static const char on[] = "LinkSocks v1.8.9 is running. API endpoints available at /api/*\n";
	static const char *const methods[] = {"GET", "POST", "DELETE", "PUT"};
	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		ask_as("", true, methods[i], "/", "");
		answered(200, plain_type_text, on);
	}
	ask_as(right, false, "GET", "/", "");    /* not on the shared port */
	answered(404, plain_type_text, "404 page not found\n");
}

static void without_a_key_there_is_no_api(void **state)
{
	static const char *const paths[] = {"/api/status", "/api/token", "/api/token/T", "/foo", "/api/"};
	ask_as("", true, "GET", "/", "");
	answered(200, plain_type_text, "LinkSocks v1.8.9 is running but API is not enabled.\n");
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		ask_as("", true, "GET", paths[i], "");
		answered(404, plain_type_text, "404 page not found\n");
		assert_false(answer.ran);
	}
}

static void nothing_else(void **state)
{
	static const char *const paths[] = {"/socketx", "/foo", "/api/", "/api/status/", "/api/tokens",
					    "/api"};
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		ask("GET", paths[i], "");
		answered(404, plain_type_text, "404 page not found\n");
	}
}

static void keys(void **state)
{
	static const char refusal[] = "{\"success\":false,\"error\":\"invalid API key\"}\n";
	static const char *const keys[] = {wrong, "", "the ke", "the key "};
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		ask_as(keys[i], true, "GET", "/api/status", "");
		answered(401, plain_type_text, refusal);
		ask_as(keys[i], true, "PUT", "/api/status", "");
		answered(401, plain_type_text, refusal);
		ask_as(keys[i], true, "POST", "/api/token", "{\"type\":\"forward\"}");
		answered(401, json_type_text, refusal);
		ask_as(keys[i], false, "DELETE", "/api/token/T", "");
		answered(401, json_type_text, refusal);
		assert_false(answer.ran);
	}
}

static void methods(void **state)
{
	ask("POST", "/api/status", "");
	answered(405, NULL, "");
	ask("GET", "/api/token", "");
	answered(405, json_type_text, "");
	ask("PUT", "/api/token/T", "");
	answered(405, json_type_text, "");
}

/* ---- adding ---- */

static void bodies(void **state)
{
	static const char invalid[] = "{\"success\":false,\"error\":\"invalid request body\"}\n";
	static const char type[] = "{\"success\":false,\"error\":\"invalid token type\"}\n";
	static const struct { const char *body, *wanted; } rows[] = {
	    {"", invalid},
	    {"{", invalid},
	    {"[]", invalid},
	    {"\"forward\"", invalid},
	    {"{\"type\":1}", invalid},
	    {"{\"type\":\"forward\",\"token\":7}", invalid},
	    {"{\"type\":\"reverse\",\"port\":\"80\"}", invalid},
	    {"{\"type\":\"reverse\",\"allow_manage_connector\":1}", invalid},
	    {"{}", type},
	    {"{\"type\":null}", type},
	    {"{\"type\":\"Forward\"}", type},
	    {"{\"type\":\"agent\"}", type},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ask("POST", "/api/token", rows[i].body);
		answered(400, json_type_text, rows[i].wanted);
	}
}

static void forward(void **state)
{
	post("{\"type\":\"forward\",\"token\":\"T\"}", "{\"success\":true,\"token\":\"T\"}\n");
	post("{\"type\":\"forward\",\"token\":\"T\"}",
	     "{\"success\":false,\"error\":\"token already exists\"}\n");
	post("{\"type\":\"reverse\",\"token\":\"T\"}",
	     "{\"success\":false,\"error\":\"token already exists\"}\n");
	post("{\"type\":\"forward\",\"token\":\"anonymous\"}",
	     "{\"success\":false,\"error\":\"'anonymous' is reserved and cannot be used as a token\"}\n");
	ask("POST", "/api/token/what/ever", "{\"TYPE\":\"forward\",\"Token\":\"U\",\"unknown\":[1]}");
	answered(200, json_type_text, "{\"success\":true,\"token\":\"U\"}\n");
	post("{\"type\":\"forward\",\"token\":\"a<b>&\\u2028\\u00e9\\\"\\\\\"}",
	     "{\"success\":true,\"token\":\"a\\u003cb\\u003e\\u0026\\u2028\xc3\xa9\\\"\\\\\"}\n");
}

static void random_token(void **state)
{
	ask("POST", "/api/token", "{\"type\":\"forward\"}");
	char token[17];
	int used = 0;
	assert_int_equal(
	    sscanf(answer.body, "{\"success\":true,\"token\":\"%16[0-9a-f]\"}%n", token, &used), 1);
	assert_string_equal(answer.body + used, "\n");
	assert_int_equal(strlen(token), 16);
	assert_non_null(tokens_find(&server_on(2)->tokens, slice_of(token)));
}

static void reverse(void **state)
{
	post("{\"type\":\"reverse\",\"token\":\"R\",\"port\":9870,\"username\":\"u\",\"password\":\"p\"}",
	     "{\"success\":true,\"token\":\"R\",\"port\":9870}\n");
	const struct token *token = tokens_find(&server_on(1)->tokens, slice_of("R"));
	assert_true(secret_is_equal(&token->username, slice_of("u")));
	assert_true(secret_is_equal(&token->password, slice_of("p")));
	post("{\"type\":\"reverse\",\"token\":\"S\",\"port\":9870}",
	     "{\"success\":false,\"error\":\"cannot allocate port: 9870\"}\n");
	post("{\"type\":\"reverse\",\"token\":\"S\",\"port\":70000}",
	     "{\"success\":false,\"error\":\"cannot allocate port: 70000\"}\n");
	post("{\"type\":\"reverse\",\"token\":\"S\",\"port\":-5}",
	     "{\"success\":false,\"error\":\"cannot allocate port: -5\"}\n");
	post("{\"type\":\"reverse\",\"token\":\"A\",\"allow_manage_connector\":true,\"port\":1234}",
	     "{\"success\":true,\"token\":\"A\",\"port\":-1}\n");
	ask("POST", "/api/token", "{\"type\":\"reverse\",\"token\":\"S\"}");
	int port = 0;
	assert_int_equal(sscanf(answer.body, "{\"success\":true,\"token\":\"S\",\"port\":%d}\n", &port), 1);
	assert_in_range(port, 1024, 10240);
	post("{\"type\":\"reverse\",\"token\":\"anonymous\"}",
	     "{\"success\":false,\"error\":\"'anonymous' is reserved and cannot be used as a token\"}\n");
}

static void connector(void **state)
{
	post("{\"type\":\"reverse\",\"token\":\"R\",\"port\":9870}",
	     "{\"success\":true,\"token\":\"R\",\"port\":9870}\n");
	post("{\"type\":\"reverse\",\"token\":\"S\",\"port\":9871}",
	     "{\"success\":true,\"token\":\"S\",\"port\":9871}\n");
	post("{\"type\":\"forward\",\"token\":\"F\"}", "{\"success\":true,\"token\":\"F\"}\n");
	post("{\"type\":\"connector\",\"token\":\"C\"}",
	     "{\"success\":false,\"error\":\"reverse_token is required for connector token\"}\n");
	post("{\"type\":\"connector\",\"token\":\"C\",\"reverse_token\":\"X\"}",
	     "{\"success\":false,\"error\":\"reverse token does not exist\"}\n");
	post("{\"type\":\"connector\",\"token\":\"C\",\"reverse_token\":\"F\"}",
	     "{\"success\":false,\"error\":\"reverse token does not exist\"}\n");
	post("{\"type\":\"connector\",\"token\":\"C\",\"reverse_token\":\"R\"}",
	     "{\"success\":true,\"token\":\"C\"}\n");
	post("{\"type\":\"connector\",\"token\":\"C\",\"reverse_token\":\"R\"}",
	     "{\"success\":true,\"token\":\"C\"}\n");
	post("{\"type\":\"connector\",\"token\":\"C\",\"reverse_token\":\"S\"}",
	     "{\"success\":false,\"error\":\"connector token already exists\"}\n");
	post("{\"type\":\"connector\",\"token\":\"F\",\"reverse_token\":\"R\"}",
	     "{\"success\":false,\"error\":\"connector token already exists\"}\n");
	post("{\"type\":\"connector\",\"token\":\"anonymous\",\"reverse_token\":\"R\"}",
	     "{\"success\":false,\"error\":"
	     "\"'anonymous' is reserved and cannot be used as a connector token\"}\n");
	post("{\"type\":\"forward\",\"token\":\"C\"}",
	     "{\"success\":false,\"error\":\"token already exists\"}\n");
}

/* ---- removing ---- */

static void removing(void **state)
{
	post("{\"type\":\"reverse\",\"token\":\"a/b c\",\"port\":9870}",
	     "{\"success\":true,\"token\":\"a/b c\",\"port\":9870}\n");
	post("{\"type\":\"connector\",\"token\":\"C\",\"reverse_token\":\"a/b c\"}",
	     "{\"success\":true,\"token\":\"C\"}\n");
	ask("DELETE", "/api/token/a/b%20c", "");
	answered(200, json_type_text, "{\"success\":true,\"token\":\"a/b c\"}\n");
	assert_int_equal(server_on(2)->tokens.count, 0);
	post("{\"type\":\"reverse\",\"token\":\"again\",\"port\":9870}", /* the port is free */
	     "{\"success\":true,\"token\":\"again\",\"port\":9870}\n");
	ask("DELETE", "/api/token", "{\"token\":\"again\"}");
	answered(200, json_type_text, "{\"success\":true,\"token\":\"again\"}\n");
	assert_int_equal(server_on(1)->tokens.count, 0);
	ask("DELETE", "/api/token/", "{\"token\":\"unknown\"}");
	answered(200, json_type_text, "{\"success\":true,\"token\":\"unknown\"}\n");
	ask("DELETE", "/api/token/unknown", "");
	answered(200, json_type_text, "{\"success\":true,\"token\":\"unknown\"}\n");
	static const char *const none[] = {"", "{}", "{\"token\":\"\"}", "nonsense"};
	for (size_t i = 0; i < COUNT_OF(none); i++) {
		ask("DELETE", i % 2 ? "/api/token" : "/api/token/", none[i]);
		answered(200, json_type_text, "{\"success\":false,\"error\":\"token not specified\"}\n");
	}
}

/* ---- the status ---- */

static void status(void **state)
{
	ask("GET", "/api/status", "");
	answered(200, json_type_text,
		 "{\"version\":\"v1.8.9\",\"tokens\":[],\"direct\":{\"enabled\":false}}\n");
	ask("POST", "/api/token", "{\"type\":\"forward\",\"token\":\"F\"}");
	ask("POST", "/api/token", "{\"type\":\"reverse\",\"token\":\"R\",\"port\":9870}");
	ask("POST", "/api/token", "{\"type\":\"reverse\",\"token\":\"A\",\"allow_manage_connector\":true}");
	ask("POST", "/api/token", "{\"type\":\"connector\",\"token\":\"C1\",\"reverse_token\":\"R\"}");
	ask("POST", "/api/token", "{\"type\":\"connector\",\"token\":\"C2\",\"reverse_token\":\"R\"}");
	struct token *reverse_token = tokens_find(&server_on(0)->tokens, slice_of("R"));
	struct member provider = join(2, 1, PARTY_PROVIDER, reverse_token);
	ask("GET", "/api/status", "");
	answered(200, json_type_text,
		 "{\"version\":\"v1.8.9\",\"tokens\":["
		 "{\"token\":\"R\",\"type\":\"reverse\",\"clients_count\":1,\"port\":9870,"
		 "\"connector_tokens\":[\"C1\",\"C2\"]},"
		 "{\"token\":\"A\",\"type\":\"reverse\",\"clients_count\":0,\"port\":-1},"
		 "{\"token\":\"F\",\"type\":\"forward\",\"clients_count\":0}],"
		 "\"direct\":{\"enabled\":false}}\n");
	leave(&provider);
}

/* ---- whose path it is ---- */

static void routes(void **state)
{
	const struct role *link = &role_linksocks_link, *api = &role_linksocks_api;
	const struct { const char *path; const struct role *own, *shared; } rows[] = {
	    {"/socket", link, link},
	    {"/socket?token=x&reverse=1", link, link},
	    {"/socket/", link, link},
	    {"/socket/any/thing", link, link},
	    {"/socketx", NULL, NULL},
	    {"/", api, NULL},
	    {"/?x=/socket", api, NULL},
	    {"/api/status", api, api},
	    {"/api/status/", NULL, NULL},
	    {"/api/token", api, api},
	    {"/api/token/T", api, api},
	    {"/api/tokens", NULL, NULL},
	    {"/api/", NULL, NULL},
	    {"", NULL, NULL},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct slice path = slice_of(rows[i].path);
		assert_ptr_equal(linksocks_route(&world.settings, path, true, true), rows[i].own);
		assert_ptr_equal(linksocks_route(&world.settings, path, true, false), rows[i].shared);
	}
	secret_fini(&world.config.api_key);
	assert_null(linksocks_route(&world.settings, slice_of("/api/status"), false, true));
	assert_null(linksocks_route(NULL, slice_of("/socket"), true, false));
	world.config.enabled = false;
	assert_null(linksocks_route(&world.settings, slice_of("/socket"), true, false));
}

#define WITH_KEY(test) cmocka_unit_test_setup_teardown(test, begin_with_key, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_KEY(root),
	    cmocka_unit_test_setup_teardown(without_a_key_there_is_no_api, begin_without_key, end),
	    WITH_KEY(nothing_else),
	    WITH_KEY(keys),
	    WITH_KEY(methods),
	    WITH_KEY(bodies),
	    WITH_KEY(forward),
	    WITH_KEY(random_token),
	    WITH_KEY(reverse),
	    WITH_KEY(connector),
	    WITH_KEY(removing),
	    WITH_KEY(status),
	    WITH_KEY(routes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
