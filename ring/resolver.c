/* ring/resolver.c - see resolver.h.
 *
 * c-ares 1.18 cannot call off one query. So time is kept here: a lookup whose job was answered stays behind
 * without it until c-ares lets go. What asks is a `dns`, a c-ares channel with its sockets; it is retired
 * after DNS_LOOKUPS_MAX lookups (which also changes the source port) and when the servers change, takes no
 * more lookups then, and goes, with what was left behind, when the last of its jobs is answered.
 */
#include "ring/resolver.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/list.h"
#include "core/log.h"
#include "ring/resolve_queue.h"
#include "ring/route.h"

enum {
	DNS_PORT = 53,
	DNS_MAX = 8,
	DNS_LOOKUPS_MAX = 4096,
	LOOKUPS_MAX = 4 * RESOLVE_JOBS_MAX,   /* with those that stay behind */
	START_MAX = 64,                       /* lookups begun at once; more overrun a server */
	START_GAP_MS = 5,
	EVENTS_MAX = 64,
	SERVERS_SIZE = 1024,
	FILE_SIZE = 256,
	TRY_MS = 1000,                        /* the first try of each server; doubles */
	TRIES = 5,                            /* more than a job waits: its own deadline decides */
	IPV4_AFTER_MS = 500,                  /* then IPv4 is asked for alone: some never answer for IPv6 */
	FAMILY_AGE_MS = 1000,
};

#define RESOLV_CONF "/etc/resolv.conf"

struct dns {
	struct resolver *resolver;
	ares_channel ares;
	uint32_t index;
	uint32_t started;              /* lookups so far */
	uint32_t asked;                /* lookups that have a job */
};

struct lookup {
	struct link link;              /* resolver->lookups, while it has a job */
	struct resolve_job *job;       /* NULL: answered */
	struct dns *dns;
	struct instant deadline, ipv4_at;
	uint32_t running;              /* questions at c-ares */
};

struct source {
	char servers[SERVERS_SIZE];    /* "": from the file */
	char file[FILE_SIZE];
	uint16_t port;                 /* of the servers of the file */
};

struct resolver {
	void (*post)(void *state, struct mail *mail);
	void *post_state;
	pthread_t thread;
	int epoll, wake;
	struct resolve_queue queue;
	pthread_mutex_t mutex;         /* of the next two */
	bool source_changed;
	struct source wanted;
	/* the thread's */
	struct source source;
	struct stat file;              /* of source.file, as it was when it was read */
	struct dns *dns[DNS_MAX], *newest;
	struct link lookups;
	uint32_t lookup_count;         /* with those that stay behind */
	struct instant next;           /* no deadline of a lookup is earlier */
	struct instant start_at;       /* when the next lookups may begin */
	struct instant families_until;
	enum address_family families;  /* those that are asked for */
};

static struct instant clock_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (struct instant){(int64_t)now.tv_sec * 1000000000 + now.tv_nsec};
}

/* ---- answers ---- */

static void give_back(struct resolver *resolver, struct resolve_job *job, enum reason reason)
{
	job->reason = reason;
	if (reason != REASON_OK)
		job->count = 0;
	resolve_queue_done(&resolver->queue);
	resolver->post(resolver->post_state, &job->mail);
}

static void answer(struct lookup *lookup, enum reason reason)
{
	struct resolve_job *job = lookup->job;
	lookup->job = NULL;
	lookup->dns->asked--;
	link_remove(&lookup->link);
	give_back(lookup->dns->resolver, job, reason);
}

static bool address_take(struct address *address, const struct ares_addrinfo_node *node, uint16_t port)
{
	*address = (struct address){.port = port};
	if (node->ai_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, node->ai_addr, sizeof in);
		address->family = ADDRESS_IPV4;
		memcpy(address->bytes, &in.sin_addr, 4);
	} else if (node->ai_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, node->ai_addr, sizeof in6);
		address->family = ADDRESS_IPV6;
		address->scope = in6.sin6_scope_id;
		memcpy(address->bytes, &in6.sin6_addr, 16);
	}
	return address->family != ADDRESS_NONE;
}

/* Fills the job in the order to try. They come sorted, best first; of each family the first are taken. */
static void collect(struct resolve_job *job, const struct ares_addrinfo_node *node)
{
	struct address found[2 * RESOLVE_ADDRESSES_MAX];
	uint32_t count = 0, of_family[2] = {0};
	for (; node; node = node->ai_next) {
		uint32_t *taken = &of_family[node->ai_family == AF_INET];
		if (*taken < RESOLVE_ADDRESSES_MAX && address_take(&found[count], node, job->port)) {
			count++;
			++*taken;
		}
	}
	count = route_order(found, count);
	job->count = count < RESOLVE_ADDRESSES_MAX ? count : RESOLVE_ADDRESSES_MAX;
	memcpy(job->addresses, found, job->count * sizeof *found);
}

static enum reason reason_of(int status)
{
	switch (status) {
	case ARES_ETIMEOUT:
		return REASON_TIMEOUT;
	case ARES_EDESTRUCTION:
	case ARES_ECANCELLED:
		return REASON_STOPPING;
	case ARES_ENOMEM:
		return REASON_MEMORY;
	default:   /* no such name, a success without an address, servers that fail or are not there */
		return REASON_NAME;
	}
}

/* One question came back, perhaps still inside the call that asked it. */
static void asked_done(void *state, int status, int timeouts, struct ares_addrinfo *found)
{
	struct lookup *lookup = state;
	struct resolver *resolver = lookup->dns->resolver;
	(void)timeouts;
	lookup->running--;
	if (lookup->job && status == ARES_SUCCESS && found) {
		collect(lookup->job, found->nodes);
		if (lookup->job->count)
			answer(lookup, REASON_OK);
	}
	if (lookup->job && (!lookup->running || status == ARES_ENOTFOUND))
		answer(lookup, reason_of(status));
	if (found)
		ares_freeaddrinfo(found);
	if (!lookup->running) {
		resolver->lookup_count--;
		free(lookup);
	}
}

/* ---- c-ares channels ---- */

static void sock_state(void *state, ares_socket_t fd, int readable, int writable)
{
	struct dns *dns = state;
	struct epoll_event event = {
		.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u),
		.data.u64 = (uint64_t)dns->index << 32 | (uint32_t)fd,
	};
	if (!event.events)
		epoll_ctl(dns->resolver->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(dns->resolver->epoll, EPOLL_CTL_MOD, fd, &event) && errno == ENOENT)
		epoll_ctl(dns->resolver->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int ares_open(ares_channel *ares, const struct source *source, struct dns *dns)
{
	char lookups[] = "fb", file[FILE_SIZE];
	text_copy(file, sizeof file, slice_of(source->file));
	struct ares_options options = {
		.timeout = TRY_MS, .tries = TRIES, .lookups = lookups, .resolvconf_path = file,
		.udp_port = source->port, .tcp_port = source->port,
		.sock_state_cb = sock_state, .sock_state_cb_data = dns,
	};
	int given = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF |
		    ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
	int status = ares_init_options(ares, &options, given | (dns ? ARES_OPT_SOCK_STATE_CB : 0));
	if (status == ARES_SUCCESS && source->servers[0]) {
		status = ares_set_servers_ports_csv(*ares, source->servers);
		if (status != ARES_SUCCESS)
			ares_destroy(*ares);
	}
	return status;
}

/* A fresh one takes over. Where that fails, the one before goes on. */
static int dns_renew(struct resolver *resolver)
{
	uint32_t index = 0;
	while (index < DNS_MAX && resolver->dns[index])
		index++;
	if (index == DNS_MAX)
		return ARES_ENOMEM;
	struct dns *dns = calloc(1, sizeof *dns);
	if (!dns)
		return ARES_ENOMEM;
	dns->resolver = resolver;
	dns->index = index;
	int status = ares_open(&dns->ares, &resolver->source, dns);
	if (status != ARES_SUCCESS) {
		free(dns);
		return status;
	}
	resolver->dns[index] = resolver->newest = dns;
	return ARES_SUCCESS;
}

static void dns_destroy(struct dns *dns)
{
	dns->resolver->dns[dns->index] = NULL;
	ares_destroy(dns->ares);
	free(dns);
}

/* Retired ones go here and nowhere else: never inside a call of c-ares. */
static void sweep(struct resolver *resolver)
{
	for (uint32_t i = 0; i < DNS_MAX; i++) {
		struct dns *dns = resolver->dns[i];
		if (dns && dns != resolver->newest && !dns->asked)
			dns_destroy(dns);
	}
}

static bool file_has_changed(struct resolver *resolver)
{
	struct stat now;
	if (stat(resolver->source.file, &now))
		memset(&now, 0, sizeof now);
	bool changed = now.st_mtim.tv_sec != resolver->file.st_mtim.tv_sec ||
		       now.st_mtim.tv_nsec != resolver->file.st_mtim.tv_nsec ||
		       now.st_ino != resolver->file.st_ino || now.st_size != resolver->file.st_size;
	resolver->file = now;
	return changed;
}

/* Before lookups are begun: what they are asked with is up to date. */
static void refresh(struct resolver *resolver)
{
	pthread_mutex_lock(&resolver->mutex);
	bool changed = resolver->source_changed;
	resolver->source_changed = false;
	if (changed)
		resolver->source = resolver->wanted;
	pthread_mutex_unlock(&resolver->mutex);
	changed |= file_has_changed(resolver) && !resolver->source.servers[0];
	if (!changed && resolver->newest->started < DNS_LOOKUPS_MAX)
		return;
	int status = dns_renew(resolver);
	if (status == ARES_SUCCESS || !changed)
		return;
	resolver->file = (struct stat){0};   /* tried again at the next lookups */
	log_warn("name servers could not be read", TEXT("why", ares_strerror(status)));
}

/* ---- lookups ---- */

/* Names that never leave the machine, where loopback is as good as any address. */
static bool is_localhost(const char *host)
{
	static const char local[] = "localhost";
	size_t size = strlen(host), local_size = sizeof local - 1;
	if (size && host[size - 1] == '.')
		size--;
	if (size < local_size || strncasecmp(host + size - local_size, local, local_size) != 0)
		return false;
	return size == local_size || host[size - local_size - 1] == '.';
}

/* c-ares has no flag for it: a family without a usable address of our own is not asked for. */
static int family_of(const struct resolver *resolver, const char *host)
{
	if (resolver->families == ADDRESS_ANY || is_localhost(host))
		return AF_UNSPEC;
	return resolver->families == ADDRESS_IPV4 ? AF_INET : AF_INET6;
}

/* The lookup may be gone when this returns. */
static void ask(struct lookup *lookup, int family)
{
	struct ares_addrinfo_hints hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
	lookup->running++;
	/* c-ares would send names under localhost to the servers. */
	const char *host = is_localhost(lookup->job->host) ? "localhost" : lookup->job->host;
	ares_getaddrinfo(lookup->dns->ares, host, NULL, &hints, asked_done, lookup);
}

static void begin(struct resolver *resolver, struct resolve_job *job, struct instant now)
{
	struct lookup *lookup = resolver->lookup_count < LOOKUPS_MAX ? calloc(1, sizeof *lookup) : NULL;
	if (!lookup) {
		give_back(resolver, job, REASON_LIMIT);
		return;
	}
	int family = family_of(resolver, job->host);
	lookup->job = job;
	lookup->dns = resolver->newest;
	lookup->deadline = instant_after(now, job->timeout);
	lookup->ipv4_at = INSTANT_NEVER;
	if (family == AF_UNSPEC)
		lookup->ipv4_at = instant_after(now, DURATION_MS(IPV4_AFTER_MS));
	lookup->dns->started++;
	lookup->dns->asked++;
	resolver->lookup_count++;
	resolver->next = instant_min(resolver->next, instant_min(lookup->deadline, lookup->ipv4_at));
	list_push(&resolver->lookups, &lookup->link);
	ask(lookup, family);
}

static void expire(struct resolver *resolver, struct instant now)
{
	if (instant_before(now, resolver->next))
		return;
	/* One pass: each lookup goes to the end of a new list, or off it for good. */
	struct link all;
	list_init(&all);
	list_join(&all, &resolver->lookups);
	resolver->next = INSTANT_NEVER;
	for (struct link *link; (link = list_pull(&all));) {
		struct lookup *lookup = OWNER(link, struct lookup, link);
		list_push(&resolver->lookups, link);
		if (!instant_before(now, lookup->deadline)) {
			answer(lookup, REASON_TIMEOUT);
			continue;
		}
		bool again = !instant_before(now, lookup->ipv4_at);
		if (again)
			lookup->ipv4_at = INSTANT_NEVER;
		resolver->next = instant_min(resolver->next, instant_min(lookup->deadline, lookup->ipv4_at));
		if (again)
			ask(lookup, AF_INET);
	}
}

/* ---- the thread ---- */

static int wait_ms(struct resolver *resolver)
{
	if (resolve_queue_is_stopping(&resolver->queue))
		return 0;
	int64_t ms = INT32_MAX;
	struct instant next = resolver->next;
	if (!resolve_queue_is_empty(&resolver->queue))
		next = instant_min(next, resolver->start_at);
	if (next.ns != INT64_MAX)
		ms = duration_ms(instant_since(next, clock_now())) + 1;
	for (uint32_t i = 0; i < DNS_MAX; i++) {
		struct timeval until;
		if (resolver->dns[i] && ares_timeout(resolver->dns[i]->ares, NULL, &until)) {
			int64_t own = (int64_t)until.tv_sec * 1000 + until.tv_usec / 1000 + 1;
			ms = own < ms ? own : ms;
		}
	}
	return ms == INT32_MAX ? -1 : ms < 0 ? 0 : (int)ms;
}

static void wait_and_process(struct resolver *resolver)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(resolver->epoll, events, EVENTS_MAX, wait_ms(resolver));
	for (int i = 0; i < count; i++) {
		uint32_t index = (uint32_t)(events[i].data.u64 >> 32);
		ares_socket_t fd = (ares_socket_t)(uint32_t)events[i].data.u64;
		eventfd_t wakes;
		if (index == DNS_MAX) {
			eventfd_read(resolver->wake, &wakes);
		} else if (resolver->dns[index]) {
			bool in = events[i].events & ~(uint32_t)EPOLLOUT, out = events[i].events & EPOLLOUT;
			ares_process_fd(resolver->dns[index]->ares, in ? fd : ARES_SOCKET_BAD,
					out ? fd : ARES_SOCKET_BAD);
		}
	}
	for (uint32_t i = 0; i < DNS_MAX; i++)
		if (resolver->dns[i])
			ares_process_fd(resolver->dns[i]->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void start_jobs(struct resolver *resolver, struct instant now)
{
	if (instant_before(now, resolver->start_at) || resolve_queue_is_empty(&resolver->queue))
		return;
	struct resolve_job *jobs = resolve_queue_pull(&resolver->queue, START_MAX);
	if (!resolve_queue_is_empty(&resolver->queue))
		resolver->start_at = instant_after(now, DURATION_MS(START_GAP_MS));
	refresh(resolver);
	if (!instant_before(now, resolver->families_until)) {
		resolver->families = route_families();
		resolver->families_until = instant_after(now, DURATION_MS(FAMILY_AGE_MS));
	}
	while (jobs) {
		struct resolve_job *job = jobs;
		jobs = job->next;
		begin(resolver, job, now);
	}
}

static void give_back_all(struct resolver *resolver)
{
	struct resolve_job *jobs = resolve_queue_pull(&resolver->queue, UINT32_MAX);
	while (jobs) {
		struct resolve_job *job = jobs;
		jobs = job->next;
		give_back(resolver, job, REASON_STOPPING);
	}
	while (!list_is_empty(&resolver->lookups))
		answer(OWNER(resolver->lookups.next, struct lookup, link), REASON_STOPPING);
}

static void *run(void *state)
{
	struct resolver *resolver = state;
	pthread_setname_np(pthread_self(), "tunnel/dns");
	while (!resolve_queue_is_stopping(&resolver->queue)) {
		wait_and_process(resolver);
		struct instant now = clock_now();
		start_jobs(resolver, now);
		expire(resolver, now);
		sweep(resolver);
	}
	give_back_all(resolver);
	return NULL;
}

/* ---- from other threads ---- */

void resolver_submit(struct resolver *resolver, struct resolve_job *job)
{
	bool idle;
	job->count = 0;
	enum reason refused = resolve_queue_push(&resolver->queue, job, &idle);
	if (refused != REASON_OK) {
		job->reason = refused;
		resolver->post(resolver->post_state, &job->mail);
	} else if (idle) {
		eventfd_write(resolver->wake, 1);
	}
}

bool resolver_set_servers(struct resolver *resolver, const char *csv)
{
	struct source trial = {.file = "/dev/null", .port = DNS_PORT};
	ares_channel ares;
	if (!*csv || strlen(csv) >= sizeof trial.servers)
		return false;
	text_copy(trial.servers, sizeof trial.servers, slice_of(csv));
	if (ares_open(&ares, &trial, NULL) != ARES_SUCCESS)
		return false;
	ares_destroy(ares);
	pthread_mutex_lock(&resolver->mutex);
	memcpy(resolver->wanted.servers, trial.servers, sizeof trial.servers);
	resolver->source_changed = true;
	pthread_mutex_unlock(&resolver->mutex);
	return true;
}

void resolver_set_file(struct resolver *resolver, const char *path, uint16_t port)
{
	pthread_mutex_lock(&resolver->mutex);
	resolver->wanted.servers[0] = 0;
	resolver->wanted.port = port;
	text_copy(resolver->wanted.file, sizeof resolver->wanted.file, slice_of(path));
	resolver->source_changed = true;
	pthread_mutex_unlock(&resolver->mutex);
}

/* ---- life ---- */

static void destroy(struct resolver *resolver)
{
	resolver->newest = NULL;
	sweep(resolver);
	check(resolver->lookup_count == 0);
	resolve_queue_fini(&resolver->queue);
	if (resolver->wake >= 0)
		close(resolver->wake);
	if (resolver->epoll >= 0)
		close(resolver->epoll);
	pthread_mutex_destroy(&resolver->mutex);
	free(resolver);
	ares_library_cleanup();
}

/* Signals are for the thread that waits for them. */
static int thread_start(struct resolver *resolver)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&resolver->thread, NULL, run, resolver);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static bool open_all(struct resolver *resolver, char why[256])
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)DNS_MAX << 32};
	resolver->epoll = epoll_create1(EPOLL_CLOEXEC);
	resolver->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (resolver->epoll < 0 || resolver->wake < 0 ||
	    epoll_ctl(resolver->epoll, EPOLL_CTL_ADD, resolver->wake, &event)) {
		snprintf(why, 256, "resolver: no descriptors: %s", strerror(errno));
		return false;
	}
	file_has_changed(resolver);
	int status = dns_renew(resolver);
	if (status != ARES_SUCCESS)
		snprintf(why, 256, "resolver: %s: %s", RESOLV_CONF, ares_strerror(status));
	return status == ARES_SUCCESS;
}

struct resolver *resolver_start(void (*post)(void *state, struct mail *mail), void *post_state, char why[256])
{
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	struct resolver *resolver = status == ARES_SUCCESS ? calloc(1, sizeof *resolver) : NULL;
	if (!resolver) {
		snprintf(why, 256, "resolver: %s", ares_strerror(status ? status : ARES_ENOMEM));
		return NULL;
	}
	resolver->post = post;
	resolver->post_state = post_state;
	resolver->epoll = resolver->wake = -1;
	pthread_mutex_init(&resolver->mutex, NULL);
	resolve_queue_init(&resolver->queue);
	resolver->next = INSTANT_NEVER;
	text_copy(resolver->source.file, sizeof resolver->source.file, slice_of(RESOLV_CONF));
	resolver->source.port = DNS_PORT;
	resolver->wanted = resolver->source;
	list_init(&resolver->lookups);
	bool opened = open_all(resolver, why);
	int error = opened ? thread_start(resolver) : 0;
	if (error)
		snprintf(why, 256, "resolver: no thread: %s", strerror(error));
	if (opened && !error)
		return resolver;
	destroy(resolver);
	return NULL;
}

void resolver_stop(struct resolver *resolver)
{
	resolve_queue_stop(&resolver->queue);
	eventfd_write(resolver->wake, 1);
	pthread_join(resolver->thread, NULL);
	destroy(resolver);
}

const char *resolver_library_version(void) { return ares_version(NULL); }
