/* tests/seam/world.c - see world.h. */
#include "tests/seam/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "protocols/frontends/http.h"
#include "protocols/linksocks/client.h"
#include "protocols/linksocks/server_inside.h"
#include "protocols/linksocks/wire.h"
#include "protocols/tls_tunnel/client.h"
#include "protocols/tls_tunnel/gateway.h"
#include "protocols/tls_tunnel/wire.h"
#include "tests/lib/bridge.h"
#include "tls/tls.h"

enum { PROVIDER_LINKS = 4, VISITOR_LINKS = 2, MEMORY = 256 << 20 };

static const char token[] = "a token of the seam";
static uint8_t auth_key[] = "a shared key of the seam";
static const char *const names[WAY_COUNT] = {"service", "refused"};

struct site {
	struct process process;
	struct tls_settings tls;
	bool runs;
};

/* What one worker of the gateway knows. */
struct knowledge {
	struct mail mail;
	uint32_t providers[WORLD_WORKERS];     /* by the worker of the link */
};

static struct {
	const struct ring_table *engine;
	struct site gateway, client, provider;
	struct config_gateway gateway_config;
	struct config_linksocks linksocks_config;
	struct config_token tokens[1];
	struct gateway_settings gateway_settings;
	struct linksocks_server_settings server_settings;
	struct bridge bridge;
	struct bridge_route routes[WAY_COUNT];
	struct config_endpoint endpoint;       /* the gateway's */
	struct config_client client_config, provider_config;
	struct config_visitor visitors[WAY_COUNT];
	struct client_settings client_settings;
	struct linksocks_client_settings provider_settings;
	struct address address;                /* the gateway's, told by its worker */
	sem_t told;                            /* what was waited for has happened */
	uint32_t known[WORLD_WORKERS];         /* by the worker that was asked last */
	uint64_t ferried;                      /* by gateways that have stopped */
	_Atomic uint32_t bridged[2];
} world;

static struct tls_certificate certificate;
static uint8_t pin[PIN_SIZE];

/* ---- waiting ---- */

static void await(const char *what)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WORLD_PATIENCE_S;
	while (sem_timedwait(&world.told, &until) != 0)
		if (errno != EINTR)
			fail_msg("waited in vain: %s", what);
}

static void listens(const struct address *address, int error)
{
	world.address = *address;
	if (error)
		world.address.port = 0;
	sem_post(&world.told);
}

static void client_is_ready(const struct client_settings *settings) { sem_post(&world.told); }

static void provider_failed(const struct linksocks_client_settings *settings, const char *why)
{
	fprintf(stderr, "the provider gives up: %s\n", why);
	abort();                 /* no test can fail on a worker's thread */
}

static void bridged(bool here) { atomic_fetch_add(&world.bridged[here], 1); }

/* ---- processes ---- */

static void post(void *state, struct mail *mail) { process_post(state, mail); }

static void resolve(struct process *process, struct resolve_job *job)
{
	resolver_submit(process->resolver, job);
}

static struct instant boot_time(void)
{
	struct timespec time;
	clock_gettime(CLOCK_BOOTTIME, &time);
	return (struct instant){(int64_t)time.tv_sec * 1000000000 + time.tv_nsec};
}

static void site_start(struct site *site, void (*populate)(struct process *process, struct hub *hub))
{
	struct process *process = &site->process;
	char why[256] = "";
	*process = (struct process){.engine = world.engine,
				    .limits = LIMITS_DEFAULT,
				    .populate = populate,
				    .resolve = resolve,
				    .secret_bytes = tls_random};
	process->limits.process_memory = MEMORY;
	tls_random((uint8_t *)&process->seed, sizeof process->seed);
	assert_true(process_init(process, WORLD_WORKERS, boot_time()));
	process->resolver = resolver_start(post, process, why);
	if (!process->resolver || !process_start(process))
		fail_msg("no workers: %s%s", why, process->why);
	site->runs = true;
}

static void site_stop(struct site *site)
{
	if (!site->runs)
		return;
	process_stop(&site->process);
	process_join(&site->process);
	if (site == &world.gateway)
		world.ferried += process_counter(&site->process, COUNTER_ferried_bytes);
	process_fini(&site->process);
	site->runs = false;
}

/* ---- the gateway ---- */

static void gateway_populate(struct process *process, struct hub *hub)
{
	check(gateway_create(hub, &world.gateway_settings));
	check(linksocks_server_create(hub, &world.server_settings));
}

static void routes_fill(uint16_t service_port, uint16_t nobodys_port)
{
	world.routes[WAY_SERVICE] = (struct bridge_route){names[WAY_SERVICE], "127.0.0.1", service_port};
	world.routes[WAY_REFUSED] = (struct bridge_route){names[WAY_REFUSED], "localhost", nobodys_port};
	world.bridge = (struct bridge){.service = &world.server_settings.service,
				       .token = token,
				       .routes = world.routes,
				       .route_count = WAY_COUNT,
				       .told = bridged};
}

static void server_settings_fill(void)
{
	world.tokens[0].type = TOKEN_REVERSE;
	assert_true(secret_set(&world.tokens[0].token, slice_of(token)));
	world.linksocks_config = (struct config_linksocks){.enabled = true,
							   .tokens = world.tokens,
							   .token_count = COUNT_OF(world.tokens),
							   .connector_wait_provider = DURATION_S(5)};
	world.server_settings = (struct linksocks_server_settings){.config = &world.linksocks_config,
								   .gateway = &world.gateway_config};
}

static void gateway_start(void)
{
	struct config_gateway *config = &world.gateway_config;
	*config = (struct config_gateway){.enabled = true, .tls_tunnel = true, .public = true};
	assert_true(address_parse(&config->listen_addr, "127.0.0.1:0"));
	assert_true(secret_set(&config->auth_key, slice_of((char *)auth_key)));
	server_settings_fill();
	world.gateway.tls = (struct tls_settings){.server = true,
						  .certificate = slice_of(certificate.certificate),
						  .key = slice_of(certificate.key),
						  .alpn = {"http/1.1"}};
	world.gateway_settings =
	    (struct gateway_settings){.config = config,
				      .tls = &world.gateway.tls,
				      .listens = listens,
				      .detector = {.detector = {.detect = gateway_detect},
						   .tls_tunnel_wire = &wire_tls_tunnel,
						   .transports = 1u << TRANSPORT_TLS,
						   .tls_tunnel_role = bridge_role(&world.bridge),
						   .http_wire = &wire_http,
						   .not_found_role = &role_http_not_found,
						   .forbidden_role = &role_http_forbidden,
						   .linksocks = &world.server_settings,
						   .linksocks_wire = &wire_linksocks,
						   .linksocks_role = &role_linksocks_link,
						   .linksocks_route = linksocks_route,
						   .linksocks_service = &world.server_settings.service}};
	site_start(&world.gateway, gateway_populate);
	await("the gateway listens");
	assert_int_not_equal(world.address.port, 0);
	world.endpoint = (struct config_endpoint){"127.0.0.1", world.address.port};
}

void gateway_stop(void)
{
	site_stop(&world.gateway);
	secret_fini(&world.gateway_config.auth_key);
	secret_fini(&world.tokens[0].token);
}

/* On the gateway's worker, then back: whom does it know? */
static void knowledge_told(struct hub *hub, struct mail *mail)
{
	struct knowledge *knowledge = OWNER(mail, struct knowledge, mail);
	struct linksocks_server *server = server_at(hub, world.server_settings.service);
	const struct link *all = &server->providers.all;
	for (const struct link *at = all->next; at != all; at = at->next) {
		const struct registry_entry *entry = OWNER(at, struct registry_entry, all_link);
		for (const struct link *one = entry->holders.next; one != &entry->holders; one = one->next)
			knowledge->providers[OWNER(one, struct registry_holder, entry_link)->worker]++;
	}
	memcpy(world.known, knowledge->providers, sizeof world.known);
	mail_free(mail);
	sem_post(&world.told);
}

/* Every worker of the gateway knows so many providers' links, and each of them has some. */
static bool providers_are(uint32_t count)
{
	for (uint32_t i = 0; i < WORLD_WORKERS; i++) {
		struct knowledge *knowledge = mail_create(sizeof *knowledge);
		assert_non_null(knowledge);
		knowledge->mail.deliver = knowledge_told;
		knowledge->mail.to = i;
		process_post(&world.gateway.process, &knowledge->mail);
		await("an answer of the gateway's worker");
		uint32_t sum = 0;
		for (uint32_t k = 0; k < WORLD_WORKERS; k++) {
			sum += world.known[k];
			if (count && !world.known[k])
				return false;
		}
		if (sum != count)
			return false;
	}
	return true;
}

static void await_providers(uint32_t count)
{
	struct instant until = instant_after(boot_time(), DURATION_S(WORLD_PATIENCE_S));
	while (!providers_are(count)) {
		if (instant_before(until, boot_time()))
			fail_msg("not %u links of a provider on %d workers: %u and %u", count, WORLD_WORKERS,
				 world.known[0], world.known[1]);
		sched_yield();
	}
}

/* ---- the provider ---- */

static void provider_populate(struct process *process, struct hub *hub)
{
	check(linksocks_client_create(hub, &world.provider_settings));
}

static void client_tls_fill(struct tls_settings *tls)
{
	*tls = (struct tls_settings){.has_pin = true};
	memcpy(tls->pin, pin, sizeof pin);
}

static void common_fill(struct config_client *config)
{
	config->gateways = &world.endpoint;
	config->gateway_count = 1;
	config->has_pin = true;
	config->reconnect =
	    (struct config_reconnect){.enabled = true, .min = DURATION_S(1), .max = DURATION_S(2)};
}

void provider_start(void)
{
	struct config_client *config = &world.provider_config;
	*config = (struct config_client){.protocol = PROTOCOL_LINKSOCKS,
					 .linksocks = {.path = "/socket",
						       .reverse = true,
						       .threads = PROVIDER_LINKS,
						       .compression_threshold = 512 * 1024,
						       .connect_timeout = DURATION_S(10)}};
	common_fill(config);
	assert_true(secret_set(&config->linksocks.token, slice_of(token)));
	client_tls_fill(&world.provider.tls);
	world.provider.tls.alpn[0] = "http/1.1";
	world.provider_settings =
	    (struct linksocks_client_settings){.config = config,
					       .tls = &world.provider.tls,
					       .links = linksocks_client_links_create(PROVIDER_LINKS),
					       .failed = provider_failed};
	assert_non_null(world.provider_settings.links);
	tls_random(world.provider_settings.instance, INSTANCE_SIZE);
	site_start(&world.provider, provider_populate);
	await_providers(PROVIDER_LINKS);
}

void provider_stop(void)
{
	if (!world.provider.runs)
		return;
	site_stop(&world.provider);
	linksocks_client_links_destroy(world.provider_settings.links);
	secret_fini(&world.provider_config.linksocks.token);
}

void world_await_no_provider(void) { await_providers(0); }

/* ---- the client with the visitors ---- */

static void client_populate(struct process *process, struct hub *hub)
{
	check(client_create(hub, &world.client_settings));
}

/* Nobody listens there now. */
static uint16_t free_port(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof in;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
	close(fd);
	return ntohs(in.sin_port);
}

static void client_start(void)
{
	struct config_client *config = &world.client_config;
	*config = (struct config_client){.links = VISITOR_LINKS,
					 .local_retries = 3,
					 .local_retry_delay = DURATION_S(1),
					 .visitors = world.visitors,
					 .visitor_count = WAY_COUNT};
	common_fill(config);
	for (uint16_t i = 0; i < WAY_COUNT; i++) {
		world.visitors[i] =
		    (struct config_visitor){.name = names[i], .type = "tcp", .publish_port = 4000 + i};
		assert_true(address_of_literal(&world.visitors[i].bind, "127.0.0.1", free_port()));
	}
	assert_true(secret_set(&config->auth_key, slice_of((char *)auth_key)));
	client_tls_fill(&world.client.tls);
	world.client_settings = (struct client_settings){.config = config,
							 .tls = &world.client.tls,
							 .links = client_links_create(VISITOR_LINKS, 0),
							 .ready = client_is_ready};
	assert_non_null(world.client_settings.links);
	tls_random(world.client_settings.instance, INSTANCE_SIZE);
	site_start(&world.client, client_populate);
	for (int i = 0; i < VISITOR_LINKS; i++)
		await("the visitors' links are up");
}

static void client_stop(void)
{
	site_stop(&world.client);
	client_links_destroy(world.client_settings.links);
	secret_fini(&world.client_config.auth_key);
}

/* ---- the world ---- */

void world_prepare(void)
{
	static const char *const hosts[] = {"127.0.0.1"};
	struct tls_library_options options = {0};
	char why[TLS_TEXT_SIZE];
	if (tls_library_start(&options, why) != STATUS_OK ||
	    tls_certificate_make(&certificate, hosts, COUNT_OF(hosts), (int64_t)time(NULL), 30, why) !=
		STATUS_OK)
		fail_msg("no TLS: %s", why);
	assert_true(pin_parse(certificate.pin, pin));
	assert_int_equal(sem_init(&world.told, 0, 0), 0);
}

void world_forget(void)
{
	sem_destroy(&world.told);
	tls_thread_stop();
	tls_library_stop();
}

void world_start(const struct ring_table *engine, uint16_t service_port)
{
	world.engine = engine;
	world.ferried = 0;
	world.bridged[0] = world.bridged[1] = 0;
	while (sem_trywait(&world.told) == 0)
		;
	routes_fill(service_port, free_port());
	gateway_start();
	client_start();
	provider_start();
}

void world_stop(void)
{
	client_stop();
	provider_stop();
	gateway_stop();
}

uint16_t world_port(enum way way) { return world.visitors[way].bind.port; }

uint64_t world_ferried_bytes(void)
{
	return world.ferried +
	       (world.gateway.runs ? process_counter(&world.gateway.process, COUNTER_ferried_bytes) : 0);
}

uint32_t world_bridged(bool here) { return atomic_load(&world.bridged[here]); }
