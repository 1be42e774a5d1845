#include "stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t tlsOutcome(Stream *stream, int result) {
    if (result > 0)
        return result;
    switch (SSL_get_error(stream->tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return STREAM_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return STREAM_END;
    default:
        return STREAM_BROKEN;
    }
}

static ssize_t clearOutcome(ssize_t result) {
    if (result >= 0)
        return result;
    return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_WAIT : STREAM_BROKEN;
}

ssize_t streamRead(Stream *stream, void *octets, size_t most) {
    if (stream->tls == NULL)
        return clearOutcome(recv(stream->fd, octets, most, 0));
    ERR_clear_error();
    return tlsOutcome(stream, SSL_read(stream->tls, octets, (int)most));
}

ssize_t streamWrite(Stream *stream, const struct iovec *pieces, int count) {
    if (stream->tls == NULL) {
        ssize_t written = clearOutcome(writev(stream->fd, pieces, count));
        return written == 0 ? STREAM_WAIT : written;
    }
    ERR_clear_error();
    /* With SSL_MODE_ENABLE_PARTIAL_WRITE a record at a time. */
    ssize_t written = tlsOutcome(stream, SSL_write(stream->tls, pieces->iov_base, (int)pieces->iov_len));
    return written == STREAM_END ? STREAM_BROKEN : written;
}

void streamClose(Stream *stream) {
    if (stream->tls != NULL) {
        ERR_clear_error();
        SSL_shutdown(stream->tls);
        SSL_free(stream->tls);
        stream->tls = NULL;
    }
    close(stream->fd);
    stream->fd = -1;
}

void streamTune(int fd) {
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

const char *streamFault(void) {
    unsigned long error = ERR_peek_last_error();
    return error != 0 ? ERR_reason_error_string(error) : strerror(errno);
}
