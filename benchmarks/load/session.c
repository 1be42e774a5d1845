/* One POP3 session: asks, and looks hard at every answer. */
#include "load.h"

#include <stdlib.h>
#include <string.h>

static const char *const verbs[] = {"greeting", "USER", "PASS", "AUTH", "STAT", "LIST",
                                    "UIDL",     "RETR", "DELE", "HOLD", "QUIT"};

/* RFC 1939 section 3: 512 octets with CRLF. */
#define REPLY_OCTETS 512
#define UNIQUE_ID_OCTETS 70

static Verb verbAt(Cursor cursor) { return plan.script[cursor.step]; }

static Cursor nextOf(const Session *session, Cursor cursor) {
    if (cursor.step < 0)
        return (Cursor){0, 1};
    Verb verb = verbAt(cursor);
    if ((verb == RETR || verb == DELE) && cursor.number < session->listed)
        return (Cursor){cursor.step, cursor.number + 1};
    return (Cursor){cursor.step + 1, 1};
}

/* Writing. */

static void flush(Session *session) {
    while (session->outSent < session->outOctets) {
        struct iovec rest = {session->out + session->outSent, session->outOctets - session->outSent};
        ssize_t written = streamWrite(&session->stream, &rest, 1);
        if (written == STREAM_WAIT)
            return;
        if (written < 0)
            fail(session, "closed", "writing: %s", streamFault());
        session->outSent += (size_t)written;
    }
    session->outSent = session->outOctets = 0;
}

static void put(Session *session, const char *octets, int count) {
    if (session->outOctets + (size_t)count > session->outRoom) {
        session->outRoom = (session->outOctets + (size_t)count) * 2;
        session->out = realloc(session->out, session->outRoom);
    }
    memcpy(session->out + session->outOctets, octets, (size_t)count);
    session->outOctets += (size_t)count;
}

static void putPlain(Session *session) {
    char token[256], coded[400], line[420];
    int octets = snprintf(token, sizeof token, "%c%s%u%c%s", 0, plan.user, session->user, 0,
                          plan.password);
    EVP_EncodeBlock((unsigned char *)coded, (unsigned char *)token, octets);
    put(session, line, snprintf(line, sizeof line, "AUTH PLAIN %s\r\n", coded));
}

static void putCommand(Session *session, Cursor cursor) {
    char line[256];
    Verb verb = verbAt(cursor);
    if (verb == PLAIN)
        return putPlain(session);
    int octets;
    if (verb == USER)
        octets = snprintf(line, sizeof line, "USER %s%u\r\n", plan.user, session->user);
    else if (verb == PASS)
        octets = snprintf(line, sizeof line, "PASS %s\r\n", plan.password);
    else if (verb == RETR || verb == DELE)
        octets = snprintf(line, sizeof line, "%s %ld\r\n", verbs[verb], cursor.number);
    else
        octets = snprintf(line, sizeof line, "%s\r\n", verbs[verb]);
    put(session, line, octets);
}

/* Ask the next question, or all that are left, unless they have been asked. */
static void ask(Session *session) {
    Cursor next = nextOf(session, session->answered);
    if (verbAt(next) == HOLD) {
        session->state = HELD;
        return;
    }
    bool isNew = session->asked.step == session->answered.step &&
                 session->asked.number == session->answered.number;
    /* What RETR and DELE ask for is known once there is a listing. */
    bool all = plan.pipelined && session->listed > 0;
    while (isNew && session->asked.step + 1 < plan.steps) {
        session->asked = nextOf(session, session->asked);
        putCommand(session, session->asked);
        isNew = all;
    }
    session->state = REPLY;
    flush(session);
}

/* Reading. */

static void endOfReply(Session *session) {
    Verb verb = verbAt(session->answered);
    if (verb == LIST || verb == UIDL) {
        if (session->listed != plan.messages)
            fail(session, "count", "%ld messages listed, not %ld", session->listed, plan.messages);
        if (verb == LIST && session->statCount >= 0 && session->listOctets != session->statOctets)
            fail(session, "octets", "STAT and LIST differ");
    }
    if (verb == QUIT) {
        if (session->checked && plan.hasContent &&
            memcmp(session->content, plan.content, DIGEST_OCTETS) != 0)
            fail(session, "content", "the messages are not those in the maildrop");
        session->replied = now();
        session->state = CLOSING;
        return;
    }
    ask(session);
}

static void expect(const Session *session, bool good, const char *what) {
    if (!good)
        fail(session, "malformed", "%s: %.100s", what, session->line);
}

static void statReply(Session *session) {
    char *end;
    session->statCount = strtol(session->line + 4, &end, 10);
    expect(session, *end == ' ', "STAT has no two numbers");
    session->statOctets = strtoull(end + 1, &end, 10);
    expect(session, *end == '\0' || *end == ' ', "STAT has no two numbers");
    if (session->statCount != plan.messages)
        fail(session, "count", "STAT says %ld messages, not %ld", session->statCount, plan.messages);
}

static void reply(Session *session) {
    Verb verb = verbAt(session->answered);
    if (strncmp(session->line, "-ERR", 4) == 0)
        fail(session, "refused", "%.200s", session->line);
    expect(session, strncmp(session->line, "+OK", 3) == 0, "no +OK");
    expect(session, session->line[3] == '\0' || session->line[3] == ' ', "no +OK");
    if (verb == GREET && session->stream.tls != NULL && SSL_session_reused(session->stream.tls))
        totals.resumed++;
    if (verb == STAT)
        statReply(session);
    if (verb == LIST || verb == UIDL) {
        session->state = LISTING;
        session->listed = 0;
        session->listOctets = 0;
    } else if (verb == RETR) {
        session->state = BODY;
        bodyBegin(&session->body);
    } else {
        endOfReply(session);
    }
}

static void listingLine(Session *session) {
    if (strcmp(session->line, ".") == 0)
        return endOfReply(session);
    char *end;
    long number = strtol(session->line, &end, 10);
    expect(session, number == session->listed + 1 && *end == ' ', "not the next message-number");
    session->listed = number;
    if (verbAt(session->answered) == UIDL) {
        size_t octets = strlen(++end);
        expect(session, octets >= 1 && octets <= UNIQUE_ID_OCTETS, "no unique-id");
        for (; *end; end++)
            expect(session, *end > 0x20 && *end < 0x7f, "no unique-id");
        return;
    }
    if (number > session->sizesRoom) {
        session->sizesRoom = number * 2;
        session->sizes = realloc(session->sizes, (size_t)session->sizesRoom * sizeof *session->sizes);
    }
    session->sizes[number - 1] = strtoull(end + 1, &end, 10);
    expect(session, *end == '\0' || *end == ' ', "no size");
    session->listOctets += session->sizes[number - 1];
}

/* One more line, without its CRLF, of a reply or a listing. */
static void lineCame(Session *session) {
    if (session->state == REPLY) {
        expect(session, session->lineOctets + 2 <= REPLY_OCTETS, "a reply is too long");
        session->answered = nextOf(session, session->answered);
        reply(session);
    } else {
        listingLine(session);
    }
    session->lineOctets = 0;
}

static size_t takeLine(Session *session, const char *octets, size_t count) {
    const char *found = memchr(octets, '\n', count);
    size_t taken = found ? (size_t)(found - octets) + 1 : count;
    if (session->lineOctets + taken >= sizeof session->line)
        fail(session, "malformed", "a line without an end");
    memcpy(session->line + session->lineOctets, octets, taken);
    session->lineOctets += taken;
    if (found != NULL) {
        size_t end = session->lineOctets;
        if (end < 2 || session->line[end - 2] != '\r')
            fail(session, "malformed", "a line ends with a bare LF");
        session->lineOctets = end - 2;
        session->line[end - 2] = '\0';
        lineCame(session);
    }
    return taken;
}

static size_t takeBody(Session *session, const char *octets, size_t count) {
    Body *body = &session->body;
    size_t taken = bodyTake(body, octets, count);
    long number = session->answered.number;
    if (body->fault != NULL)
        fail(session, "malformed", "message %ld: %s", number, body->fault);
    if (!body->ended)
        return taken;
    if (body->octets != session->sizes[number - 1])
        fail(session, "octets", "RETR %ld sent %llu octets, LIST promised %llu", number,
             (unsigned long long)body->octets, (unsigned long long)session->sizes[number - 1]);
    totals.octets += body->octets;
    if (body->digest != NULL) {
        uint8_t digest[DIGEST_OCTETS];
        EVP_DigestFinal_ex(body->digest, digest, NULL);
        for (int each = 0; each < DIGEST_OCTETS; each++)
            session->content[each] ^= digest[each];
    }
    endOfReply(session);
    return taken;
}

static void take(Session *session, const char *octets, size_t count) {
    while (count > 0) {
        if (session->state == CLOSING || session->state == HELD)
            fail(session, "malformed", "octets that nobody has asked for");
        size_t taken = session->state == BODY ? takeBody(session, octets, count)
                                              : takeLine(session, octets, count);
        octets += taken;
        count -= taken;
    }
}

/* The life of a session. */

void sessionBegin(Session *session, int fd) {
    session->stream = (Stream){fd, NULL};
    session->state = REPLY;
    /* The greeting needs no asking. */
    session->asked = (Cursor){0, 1};
    session->answered = (Cursor){-1, 1};
    session->lineOctets = session->outOctets = session->outSent = 0;
    session->listed = 0;
    session->statCount = -1;
    memset(session->content, 0, DIGEST_OCTETS);
    if (session->checked && session->body.digest == NULL)
        session->body.digest = EVP_MD_CTX_new();
    if (!session->checked) {
        EVP_MD_CTX_free(session->body.digest);
        session->body.digest = NULL;
    }
    if (plan.tls != NULL) {
        SSL *tls = session->stream.tls = SSL_new(plan.tls);
        SSL_set_app_data(tls, session);
        SSL_set_fd(tls, fd);
        SSL_set_connect_state(tls);
        if (plan.resumes && session->ticket != NULL)
            SSL_set_session(tls, session->ticket);
    }
    session->began = now();
}

void sessionRelease(Session *session) {
    session->asked = session->answered = (Cursor){session->answered.step + 1, 1};
    ask(session);
}

void sessionEvent(Session *session) {
    static char octets[256 * 1024];
    flush(session);
    for (;;) {
        ssize_t count = streamRead(&session->stream, octets, sizeof octets);
        if (count == STREAM_WAIT)
            return;
        if (count > 0) {
            take(session, octets, (size_t)count);
        } else if (session->state == CLOSING) {
            /* After QUIT's reply it does not matter how the connection ends. */
            streamClose(&session->stream);
            session->state = UNUSED;
            return;
        } else {
            fail(session, "closed", "the server closed the connection: %s",
                 count == STREAM_END ? "in good order" : streamFault());
        }
    }
}
