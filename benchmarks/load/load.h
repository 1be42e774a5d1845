/* What one session does, and what all of them add up to. */
#ifndef LOAD_H
#define LOAD_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "body.h"
#include "stream.h"

typedef enum { GREET, USER, PASS, PLAIN, STAT, LIST, UIDL, RETR, DELE, HOLD, QUIT } Verb;

#define SCRIPT_MOST 16
#define DIGEST_OCTETS 32

/* What every session of a run does. */
typedef struct {
    Verb script[SCRIPT_MOST]; /* begins with GREET, ends with QUIT */
    int steps;
    bool pipelined;       /* all that follows LIST leaves in one write */
    const char *user;     /* users are USER0, USER1 ... */
    const char *password;
    long messages;        /* in each maildrop */
    bool hasContent;
    uint8_t content[DIGEST_OCTETS]; /* XOR of the messages' SHA-256, in any order */
    SSL_CTX *tls;         /* NULL in the clear */
    bool resumes;
} Plan;

/* A place in a script; number is the message-number of RETR and DELE. */
typedef struct {
    int step;
    long number;
} Cursor;

typedef enum { UNUSED, REPLY, LISTING, BODY, HELD, CLOSING } State;

typedef struct {
    Stream stream;
    State state;
    unsigned slot, user;
    Cursor asked, answered;
    char line[1024];
    size_t lineOctets;
    char *out;
    size_t outOctets, outSent, outRoom;
    uint64_t *sizes; /* what LIST promised */
    long listed, sizesRoom;
    long statCount;
    uint64_t statOctets, listOctets;
    bool checked; /* this session's messages are compared by content too */
    uint8_t content[DIGEST_OCTETS];
    Body body;
    SSL_SESSION *ticket;
    uint64_t began, replied;
} Session;

typedef struct {
    uint64_t octets;  /* of messages */
    uint64_t resumed; /* TLS handshakes */
} Totals;

extern Plan plan;
extern Totals totals;

/* Nanoseconds of a monotonic clock. */
uint64_t now(void);

/* Connect; the session goes on with sessionEvent. */
void sessionBegin(Session *session, int fd);

/* Something may be read or written. Afterwards its state tells what has become of it:
   UNUSED once it is over. */
void sessionEvent(Session *session);

/* Go on after HOLD. */
void sessionRelease(Session *session);

/* The one end of a run that is not good: a line of JSON, and exit status 2.
   Kinds: refused, octets, content, count, malformed, closed, timeout, setup. */
_Noreturn void fail(const Session *session, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
