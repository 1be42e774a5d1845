/*
 * The floor: a POP3 server in C that answers octets made beforehand, and does nothing
 * else. No server does the same work for less, so it shows what the kernel, TLS and
 * the load generator cost.
 *
 *     floor DIRECTORY PORT TLS-PORT CERTIFICATE
 *
 * DIRECTORY/NAME/ holds the answers for users NAME0, NAME1 ...: files "stat", "list",
 * "uidl" and "1", "2" ..., each whole and as it goes over the wire.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stream.h"

#define MESSAGES_MOST 200000
#define MAILDROPS_MOST 16
#define PENDING_MOST 4096

typedef struct {
    char name[256];
    struct iovec stat, list, uidl, *messages;
    long count;
} Maildrop;

typedef struct {
    Stream stream;
    bool ending;
    const Maildrop *maildrop;
    char line[512];
    size_t lineOctets;
    struct iovec *pending; /* answers that are still to be written, from first on */
    int first, last;
} Peer;

static Maildrop maildrops[MAILDROPS_MOST];
static int maildropCount, epoll;
static SSL_CTX *tls;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static struct iovec load(int directory, const char *name) {
    struct stat status;
    int fd = openat(directory, name, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) < 0)
        return (struct iovec){NULL, 0};
    void *octets = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    return (struct iovec){octets, (size_t)status.st_size};
}

static void loadMaildrop(const char *root, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", root, name);
    int directory = open(path, O_RDONLY | O_DIRECTORY);
    Maildrop *maildrop = &maildrops[maildropCount++];
    snprintf(maildrop->name, sizeof maildrop->name, "%s", name);
    maildrop->stat = load(directory, "stat");
    maildrop->list = load(directory, "list");
    maildrop->uidl = load(directory, "uidl");
    maildrop->messages = calloc(MESSAGES_MOST, sizeof *maildrop->messages);
    for (; maildrop->count < MESSAGES_MOST; maildrop->count++) {
        snprintf(path, sizeof path, "%ld", maildrop->count + 1);
        maildrop->messages[maildrop->count] = load(directory, path);
        if (maildrop->messages[maildrop->count].iov_base == NULL)
            break;
    }
    close(directory);
}

static void drop(Peer *peer) {
    streamClose(&peer->stream);
    free(peer->pending);
    free(peer);
}

/* False when the peer is gone. */
static bool flush(Peer *peer) {
    while (peer->first < peer->last) {
        int count = peer->last - peer->first;
        ssize_t written =
            streamWrite(&peer->stream, peer->pending + peer->first, count > 64 ? 64 : count);
        if (written == STREAM_WAIT)
            return true;
        if (written < 0)
            return false;
        size_t left = (size_t)written;
        for (; left > 0 && left >= peer->pending[peer->first].iov_len; peer->first++)
            left -= peer->pending[peer->first].iov_len;
        if (left > 0) {
            struct iovec *piece = &peer->pending[peer->first];
            piece->iov_base = (char *)piece->iov_base + left;
            piece->iov_len -= left;
        }
    }
    peer->first = peer->last = 0;
    return !peer->ending;
}

static void answer(Peer *peer, struct iovec octets) {
    if (peer->pending == NULL)
        peer->pending = malloc(PENDING_MOST * sizeof *peer->pending);
    if (peer->last == PENDING_MOST || octets.iov_base == NULL)
        peer->ending = true;
    else
        peer->pending[peer->last++] = octets;
}

static void say(Peer *peer, const char *text) {
    answer(peer, (struct iovec){(void *)text, strlen(text)});
}

static void choose(Peer *peer, const char *user) {
    size_t letters = 0;
    while (isalpha((unsigned char)user[letters]))
        letters++;
    for (int each = 0; each < maildropCount; each++)
        if (strlen(maildrops[each].name) == letters &&
            strncmp(maildrops[each].name, user, letters) == 0)
            peer->maildrop = &maildrops[each];
}

static void obey(Peer *peer, char *line) {
    const Maildrop *maildrop = peer->maildrop;
    if (strncmp(line, "USER ", 5) == 0) {
        choose(peer, line + 5);
        say(peer, "+OK\r\n");
    } else if (strncmp(line, "AUTH PLAIN ", 11) == 0) {
        unsigned char token[400] = {0};
        EVP_DecodeBlock(token, (unsigned char *)line + 11, (int)strcspn(line + 11, "\r"));
        choose(peer, (char *)token + 1);
        say(peer, "+OK\r\n");
    } else if (strncmp(line, "QUIT", 4) == 0) {
        say(peer, "+OK\r\n");
        peer->ending = true;
    } else if (maildrop == NULL || strncmp(line, "PASS ", 5) == 0 || *line == 'D' || *line == 'N') {
        say(peer, "+OK\r\n");
    } else if (strncmp(line, "STAT", 4) == 0) {
        answer(peer, maildrop->stat);
    } else if (strncmp(line, "LIST", 4) == 0) {
        answer(peer, maildrop->list);
    } else if (strncmp(line, "UIDL", 4) == 0) {
        answer(peer, maildrop->uidl);
    } else {
        long number = strncmp(line, "RETR ", 5) == 0 ? atol(line + 5) : 0;
        answer(peer, number >= 1 && number <= maildrop->count ? maildrop->messages[number - 1]
                                                              : (struct iovec){NULL, 0});
    }
}

static void serve(Peer *peer) {
    static char octets[64 * 1024];
    for (;;) {
        ssize_t count = streamRead(&peer->stream, octets, sizeof octets);
        if (count == STREAM_END || count == STREAM_BROKEN)
            return drop(peer);
        for (ssize_t each = 0; each < count && !peer->ending; each++) {
            if (peer->lineOctets == sizeof peer->line - 1)
                return drop(peer);
            peer->line[peer->lineOctets++] = octets[each];
            if (octets[each] == '\n') {
                peer->line[peer->lineOctets] = '\0';
                peer->lineOctets = 0;
                obey(peer, peer->line);
            }
        }
        if (!flush(peer))
            return drop(peer);
        if (count == STREAM_WAIT)
            return;
    }
}

static void greet(int listener, bool secure) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0)
            return;
        streamTune(fd);
        Peer *peer = calloc(1, sizeof *peer);
        peer->stream.fd = fd;
        if (secure) {
            peer->stream.tls = SSL_new(tls);
            SSL_set_fd(peer->stream.tls, fd);
            SSL_set_accept_state(peer->stream.tls);
        }
        say(peer, "+OK floor\r\n");
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = peer};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listenOn(const char *port, uint32_t tag) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1024) < 0)
        die(port);
    /* No pointer is as small as a tag. */
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 5)
        return 2;
    DIR *root = opendir(argv[1]);
    if (root == NULL)
        die(argv[1]);
    for (struct dirent *each; (each = readdir(root)) && maildropCount < MAILDROPS_MOST;)
        if (each->d_name[0] != '.')
            loadMaildrop(argv[1], each->d_name);
    closedir(root);
    tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls, argv[4]) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, argv[4], SSL_FILETYPE_PEM) != 1)
        die(argv[4]);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    epoll = epoll_create1(0);
    int listeners[] = {listenOn(argv[2], 0), listenOn(argv[3], 1)};
    struct epoll_event events[256];
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int each = 0; each < count; each++) {
            uint64_t tag = events[each].data.u64;
            if (tag < 2)
                greet(listeners[tag], tag == 1);
            else
                serve(events[each].data.ptr);
        }
    }
}
