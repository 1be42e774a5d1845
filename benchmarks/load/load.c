/*
 * A load generator for POP3 that verifies every answer; benchmarks/load.py starts it.
 *
 * One thread and edge-triggered epoll: a session costs it some 0.03 ms, less than any
 * server's. It prints "ready" after the sessions that warm up (their messages are
 * compared by content), waits for a line on standard input, does what it was told, and
 * prints one line of JSON. The first answer that is not right ends the run with exit
 * status 2: a wrong server has no speed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

/* Connections come from so many addresses of loopback: one has 28,000 ports, and each
   of them rests for a minute after a connection. */
#define SOURCES 200

Plan plan = {.password = "secret"};
Totals totals;

static struct {
    int port;
    unsigned connections, users, hold;
    unsigned long warmUp, sessions; /* 0 sessions: as many as fit into the time */
    double seconds, patience;
} settings = {.connections = 8, .users = 8, .patience = 20};

static Session *slots;
static unsigned slotCount, active, heldCount;
static unsigned *freeSlots, freeCount, *freeUsers, firstUser, userCount;
static unsigned long begun, finished, wanted;
static uint64_t deadline;
static uint32_t *latencies; /* in microseconds */
static unsigned long latencyRoom;
static int epoll;

uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void fail(const Session *session, const char *kind, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *each = text; *each; each++)
        if (*each < ' ' || *each > '~' || *each == '"' || *each == '\\')
            *each = '?';
    printf("{\"error\": \"%s\", \"user\": \"%s%u\", \"text\": \"%s\"}\n", kind,
           plan.user ? plan.user : "", session ? session->user : 0, text);
    fflush(stdout);
    _exit(2);
}

static double processorSeconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* TLS 1.3 gives out tickets after the handshake; the newest is taken. */
static int keepTicket(SSL *tls, SSL_SESSION *ticket) {
    Session *session = SSL_get_app_data(tls);
    SSL_SESSION_free(session->ticket);
    session->ticket = ticket;
    return 1;
}

static SSL_CTX *makeTLS(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    /* The same for all servers, whatever they prefer. */
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384");
    SSL_CTX_set1_groups_list(context, "X25519:P-256");
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keepTicket);
    return context;
}

static void beginSession(void) {
    Session *session = &slots[freeSlots[--freeCount]];
    session->user = freeUsers[firstUser];
    firstUser = (firstUser + 1) % settings.users;
    userCount--;
    struct sockaddr_in source = {.sin_family = AF_INET}, server = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(0x7f010001u + (uint32_t)(begun % SOURCES));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons((uint16_t)settings.port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    if (fd < 0)
        fail(session, "setup", "socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    bind(fd, (struct sockaddr *)&source, sizeof source);
    streamTune(fd);
    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        fail(session, "closed", "connect: %s", strerror(errno));
    begun++;
    active++;
    sessionBegin(session, fd);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = session->slot};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void endSession(Session *session) {
    if (finished == latencyRoom) {
        latencyRoom = latencyRoom * 2 + 1024;
        latencies = realloc(latencies, latencyRoom * sizeof *latencies);
    }
    latencies[finished++] = (uint32_t)((session->replied - session->began) / 1000);
    active--;
    freeSlots[freeCount++] = session->slot;
    freeUsers[(firstUser + userCount++) % settings.users] = session->user;
}

static void findTheSlow(uint64_t time) {
    for (unsigned slot = 0; slot < slotCount; slot++) {
        Session *session = &slots[slot];
        bool waits = session->state != UNUSED && session->state != HELD;
        if (waits && (double)(time - session->began) > settings.patience * 1e9)
            fail(session, "timeout", "no answer to command %d", session->answered.step + 1);
    }
}

/* Begin sessions until there are as many as wanted, or the time is over; end them all. */
static void work(bool checked) {
    uint64_t looked = now();
    struct epoll_event events[256];
    for (;;) {
        bool more = wanted ? begun < wanted : now() < deadline;
        while (more && active < settings.connections && freeCount && userCount) {
            slots[freeSlots[freeCount - 1]].checked = checked;
            beginSession();
            more = wanted ? begun < wanted : now() < deadline;
        }
        if (active == 0)
            return;
        int count = epoll_wait(epoll, events, 256, 1000);
        for (int each = 0; each < count; each++) {
            Session *session = &slots[events[each].data.u32];
            if (session->state == UNUSED)
                continue;
            bool wasHeld = session->state == HELD;
            sessionEvent(session);
            if (session->state == UNUSED)
                endSession(session);
            if (session->state == HELD && !wasHeld) {
                heldCount++;
                active--;
            }
        }
        uint64_t time = now();
        if (time - looked > 1000000000u)
            findTheSlow(looked = time);
    }
}

/* So many sessions, or with 0 as many as fit into the time. */
static void run(unsigned long sessions, bool checked) {
    finished = 0;
    wanted = sessions ? begun + sessions : 0;
    work(checked);
}

static void waitForParent(const char *word) {
    char line[16];
    printf("%s\n", word);
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        _exit(0);
}

/* Let all held sessions go to their end. */
static void release(void) {
    for (unsigned slot = 0; slot < slotCount; slot++)
        if (slots[slot].state == HELD) {
            active++;
            slots[slot].began = now();
            sessionRelease(&slots[slot]);
        }
    wanted = begun;
    work(false);
}

static int byValue(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static double percentile(double share) {
    return finished ? latencies[(unsigned long)(share * (double)(finished - 1))] / 1000.0 : 0;
}

static void parseScript(char *words) {
    static const char *const names[] = {"greet", "user", "pass", "plain", "stat", "list",
                                        "uidl",  "retr", "dele", "hold",  "quit"};
    bool listed = false;
    plan.script[plan.steps++] = GREET;
    for (char *word = strtok(words, ","); word; word = strtok(NULL, ",")) {
        Verb verb = USER;
        while (verb <= QUIT && strcmp(names[verb], word) != 0)
            verb++;
        if (verb > QUIT || plan.steps == SCRIPT_MOST)
            fail(NULL, "setup", "no step %s, or too many", word);
        if ((verb == RETR || verb == DELE) && !listed)
            fail(NULL, "setup", "%s needs list before it", word);
        listed = listed || verb == LIST;
        plan.script[plan.steps++] = verb;
    }
    if (plan.script[plan.steps - 1] != QUIT)
        fail(NULL, "setup", "a script ends with quit");
}

static void parse(int argc, char **argv) {
    static const struct option options[] = {
        {"port", 1, 0, 'p'},     {"connections", 1, 0, 'c'}, {"users", 1, 0, 'u'},
        {"user", 1, 0, 'n'},     {"script", 1, 0, 's'},      {"seconds", 1, 0, 't'},
        {"sessions", 1, 0, 'S'}, {"warm-up", 1, 0, 'w'},     {"messages", 1, 0, 'm'},
        {"content", 1, 0, 'C'},  {"tls", 1, 0, 'T'},         {"pipelined", 0, 0, 'P'},
        {"hold", 1, 0, 'h'},     {"patience", 1, 0, 'W'},    {0, 0, 0, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p': settings.port = atoi(optarg); break;
        case 'c': settings.connections = (unsigned)atoi(optarg); break;
        case 'u': settings.users = (unsigned)atoi(optarg); break;
        case 'n': plan.user = optarg; break;
        case 's': parseScript(optarg); break;
        case 't': settings.seconds = atof(optarg); break;
        case 'S': settings.sessions = strtoul(optarg, NULL, 10); break;
        case 'w': settings.warmUp = strtoul(optarg, NULL, 10); break;
        case 'm': plan.messages = atol(optarg); break;
        case 'T': plan.tls = makeTLS(); plan.resumes = strcmp(optarg, "resumed") == 0; break;
        case 'P': plan.pipelined = true; break;
        case 'h': settings.hold = (unsigned)atoi(optarg); break;
        case 'W': settings.patience = atof(optarg); break;
        case 'C':
            plan.hasContent = true;
            for (int each = 0; each < DIGEST_OCTETS; each++)
                sscanf(optarg + 2 * each, "%2hhx", &plan.content[each]);
            break;
        default: fail(NULL, "setup", "an unknown option");
        }
    }
    if (!settings.port || !plan.user || !plan.steps || !settings.users || !settings.connections)
        fail(NULL, "setup", "port, user, users, connections and script are needed");
    if (settings.hold > settings.users)
        fail(NULL, "setup", "each session that is held needs a user of its own");
}

int main(int argc, char **argv) {
    parse(argc, argv);
    epoll = epoll_create1(0);
    slotCount = settings.connections + settings.hold;
    slots = calloc(slotCount, sizeof *slots);
    freeSlots = calloc(slotCount, sizeof *freeSlots);
    freeUsers = calloc(settings.users, sizeof *freeUsers);
    for (; freeCount < slotCount; freeCount++)
        freeSlots[freeCount] = slots[freeCount].slot = freeCount;
    for (; userCount < settings.users; userCount++)
        freeUsers[userCount] = userCount;
    if (settings.warmUp)
        run(settings.warmUp, true);
    totals = (Totals){0};
    waitForParent("ready");
    double processor = processorSeconds();
    uint64_t start = now();
    deadline = start + (uint64_t)(settings.seconds * 1e9);
    run(settings.hold ? settings.hold : settings.sessions, false);
    if (settings.hold) {
        if (heldCount != settings.hold)
            fail(NULL, "count", "%u sessions are held, not %u", heldCount, settings.hold);
        waitForParent("held");
        release();
    }
    double seconds = (double)(now() - start) / 1e9;
    qsort(latencies, finished, sizeof *latencies, byValue);
    printf("{\"sessions\": %lu, \"seconds\": %.6f, \"processor\": %.6f, \"octets\": %llu, "
           "\"resumed\": %llu, \"p50\": %.3f, \"p99\": %.3f}\n",
           finished, seconds, processorSeconds() - processor, (unsigned long long)totals.octets,
           (unsigned long long)totals.resumed, percentile(0.5), percentile(0.99));
    return 0;
}
