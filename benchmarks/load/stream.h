/* A non-blocking TCP connection, bare or inside TLS, told of by edge-triggered epoll. */
#ifndef STREAM_H
#define STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What streamRead and streamWrite return when it is not a number of octets. */
enum { STREAM_END = 0, STREAM_WAIT = -1, STREAM_BROKEN = -2 };

typedef struct {
    int fd;
    SSL *tls; /* NULL in the clear */
} Stream;

/* Octets read, STREAM_END after the peer's orderly goodbye, STREAM_WAIT or STREAM_BROKEN. */
ssize_t streamRead(Stream *stream, void *octets, size_t most);

/* Octets written (perhaps fewer than wanted), STREAM_WAIT or STREAM_BROKEN. */
ssize_t streamWrite(Stream *stream, const struct iovec *pieces, int count);

/* Close it, with TLS's goodbye where there is TLS. */
void streamClose(Stream *stream);

/* Each answer leaves at once, as POP3 needs it. */
void streamTune(int fd);

/* A name for what went wrong last, for people. */
const char *streamFault(void);

#endif
