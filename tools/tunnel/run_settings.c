/* tools/tunnel/run_settings.c - the configuration as settings of services, and those of each worker; see
 * run_inside.h.
 */
#include <stdio.h>

#include "protocols/codecs/proxy_header.h"
#include "protocols/frontends/http.h"
#include "protocols/linksocks/wire.h"
#include "protocols/tls_tunnel/wire.h"
#include "tools/tunnel/run_inside.h"

/* Is there a TLS port? */
static bool is_public(const struct config *config)
{
	return config->gateway.enabled && config->gateway.public;
}

static bool speaks_http2(const struct config_gateway *config)
{
	return config->tls_tunnel && config->transports & 1u << TRANSPORT_HTTP2;
}

/* As many seconds' worth at once as all sources together have. False: no memory. */
static bool source_rates_fill(struct run *run)
{
	const struct config_rate *rate = &run->config->gateway.rate_limit;
	uint64_t seed, burst = (uint64_t)rate->per_source * rate->burst_size;
	if (!rate->per_source)
		return true;
	burst = (burst + rate->requests_per_second - 1) / rate->requests_per_second;
	tls_random((uint8_t *)&seed, sizeof seed);
	run->gateway.source_rates = rate_sources_create(
	    rate->per_source, burst > UINT32_MAX ? UINT32_MAX : (uint32_t)burst, seed);
	return run->gateway.source_rates;
}

static void gateway_settings_fill(struct run *run)
{
	const struct config_gateway *config = &run->config->gateway;
	run->gateway_tls = (struct tls_settings){.server = true,
						 .tls12 = config->tls12,
						 .certificate = config->certificate_pem,
						 .key = secret_slice(&config->key_pem),
						 .anchors = config->client_ca_pem,
						 .require_client_certificate = config->client_ca_pem.size > 0,
						 .server_names = config->server_names,
						 .server_name_count = config->server_name_count,
						 .alpn = {"http/1.1", speaks_http2(config) ? "h2" : NULL}};
	run->linksocks = (struct linksocks_server_settings){.config = &config->linksocks,
							    .access = &run->config->access,
							    .gateway = config,
							    .own_detector = &run->own_detector.detector,
							    .listens = run_linksocks_listens};
	struct gateway_detector detector = {.detector = {.detect = gateway_detect},
					    .http_wire = &wire_http,
					    .not_found_role = &role_http_not_found,
					    .forbidden_role = &role_http_forbidden,
					    .linksocks = config->linksocks.enabled ? &run->linksocks : NULL,
					    .linksocks_wire = &wire_linksocks,
					    .linksocks_role = &role_linksocks_link,
					    .linksocks_route = linksocks_route,
					    .linksocks_service = &run->linksocks.service,
					    .allow_origins = config->allow_origins,
					    .allow_origin_count = config->allow_origin_count,
					    .trusted_proxies = config->trusted_proxies,
					    .trusted_proxy_count = config->trusted_proxy_count};
	run->own_detector = detector;
	run->own_detector.own = true;
	detector.tls_tunnel_wire = config->tls_tunnel ? &wire_tls_tunnel : NULL;
	detector.tls_tunnel_role = &role_gateway_link;
	detector.clear = config->behind_proxy;
	detector.transports = config->transports;
	run->voucher = (struct voucher){.trusted = config->trusted_proxies,
					.trusted_count = config->trusted_proxy_count,
					.read = proxy_header_source};
	run->gateway = (struct gateway_settings){.config = config,
						 .tls = config->behind_proxy ? NULL : &run->gateway_tls,
						 .voucher = config->proxy_protocol ? &run->voucher : NULL,
						 .listens = run_gateway_listens,
						 .detector = detector};
	rate_shared_init(&run->gateway.link_rate, config->rate_limit.requests_per_second,
			 config->rate_limit.burst_size);
	forward_access_init(&run->gateway.forward, run->config);
}

int64_t run_clock_ns(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void management_settings_fill(struct run *run)
{
	const struct config_stats *config = &run->config->stats;
	run->stats_tls = (struct tls_settings){.server = true,
					       .certificate = config->certificate_pem,
					       .key = secret_slice(&config->key_pem),
					       .alpn = {"http/1.1"}};
	run->stats_held = 0;
	run->management = (struct management_settings){
	    .config = config,
	    .held = &run->stats_held,
	    .tls = config->certificate_pem.size ? &run->stats_tls : NULL,
	    .wall_offset_ns = run_clock_ns(CLOCK_REALTIME) - run_clock_ns(CLOCK_BOOTTIME),
	    .unready = run_unready,
	    .listens = run_stats_listen};
}

static bool is_linksocks(const struct config_client *config)
{
	return config->protocol == PROTOCOL_LINKSOCKS;
}

/* ws:// alone needs no trust; with some it may be redirected to wss://. */
static bool uses_tls(const struct config_client *config)
{
	return !config->plaintext || config->has_pin || config->anchors_pem.size;
}

/* False: no memory. */
static bool linksocks_settings_fill(struct run *run, size_t index)
{
	const struct config_client *config = &run->config->clients[index];
	struct linksocks_client_settings *settings = &run->linksocks_clients[index];
	run->client_tls[index].alpn[0] = "http/1.1";
	*settings = (struct linksocks_client_settings){
	    .config = config,
	    .tls = uses_tls(config) ? &run->client_tls[index] : NULL,
	    .access = &run->config->access,
	    .needs_port = run->original,
	    .worker = (uint32_t)index % run->process.worker_count,
	    .links = linksocks_client_links_create(config->linksocks.threads),
	    .ready = run_linksocks_client_ready,
	    .listens = run_linksocks_client_listens,
	    .failed = run_linksocks_client_failed};
	tls_random(settings->instance, sizeof settings->instance);
	settings->instance[6] = (uint8_t)(0x40 | (settings->instance[6] & 0x0f)); /* a UUID, version 4 */
	settings->instance[8] = (uint8_t)(0x80 | (settings->instance[8] & 0x3f));
	return settings->links;
}

/* False: no memory. */
static bool client_settings_fill(struct run *run, size_t index)
{
	const struct config_client *config = &run->config->clients[index];
	struct tls_settings *tls = &run->client_tls[index];
	*tls = (struct tls_settings){.certificate = config->certificate_pem,
				     .key = secret_slice(&config->key_pem),
				     .anchors = config->anchors_pem,
				     .has_pin = config->has_pin};
	memcpy(tls->pin, config->pin, sizeof tls->pin);
	if (is_linksocks(config))
		return linksocks_settings_fill(run, index);
	tls->alpn[0] = config->transport == TRANSPORT_HTTP2 ? "h2" : NULL;
	run->clients[index] = (struct client_settings){.config = config,
						       .tls = config->plaintext ? NULL : tls,
						       .links = client_links_create(
							       config->links, config->forwarder_count),
						       .worker = (uint32_t)index % run->process.worker_count,
						       .ready = run_client_ready};
	tls_random(run->clients[index].instance, sizeof run->clients[index].instance);
	return run->clients[index].links;
}

/* A setting that wolfSSL will not take must be known before anything runs. */
static bool settings_work(const struct tls_settings *settings, char why[RUN_WHY_SIZE])
{
	struct tls_endpoint *endpoint = tls_endpoint_create(settings, why);
	if (endpoint)
		tls_endpoint_destroy(endpoint);
	tls_thread_stop(); /* what wolfSSL has computed for this thread is for nobody */
	return endpoint != NULL;
}

bool run_settings_fill(struct run *run, char why[RUN_WHY_SIZE])
{
	const struct config *config = run->config;
	gateway_settings_fill(run);
	if (!source_rates_fill(run)) {
		snprintf(why, RUN_WHY_SIZE, "out of memory");
		return false;
	}
	management_settings_fill(run);
	if (run->management.tls && !settings_work(&run->stats_tls, why))
		return false;
	if (is_public(config) && !config->gateway.behind_proxy && !settings_work(&run->gateway_tls, why))
		return false;
	for (size_t i = 0; i < config->client_count; i++) {
		if (!client_settings_fill(run, i)) {
			snprintf(why, RUN_WHY_SIZE, "out of memory");
			return false;
		}
		if (uses_tls(&config->clients[i]) && !settings_work(&run->client_tls[i], why))
			return false;
	}
	return true;
}

/* Services have the same index on every worker. */
void run_populate(struct process *process, struct hub *hub)
{
	struct run *run = process->populate_state;
	if (is_public(run->config))
		check(gateway_create(hub, &run->gateway));
	if (run->config->gateway.enabled && run->config->gateway.linksocks.enabled)
		check(linksocks_server_create(hub, &run->linksocks));
	for (size_t i = 0; i < run->config->client_count; i++)
		check(is_linksocks(&run->config->clients[i])
			  ? linksocks_client_create(hub, &run->linksocks_clients[i])
			  : client_create(hub, &run->clients[i]));
	if (run->config->stats.enabled)
		check(management_create(hub, &run->management));
}
