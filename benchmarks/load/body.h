/* Looks through the body of a multi-line response, octet by octet, without keeping it. */
#ifndef BODY_H
#define BODY_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int state;
    char last;           /* the octet before the next one, inside a line */
    uint64_t octets;     /* of the message: unstuffed, without the termination */
    EVP_MD_CTX *digest;  /* of the same octets; NULL when nobody wants it */
    const char *fault;   /* what is malformed, or NULL */
    bool ended;          /* the termination has come */
} Body;

/* Begin with a new body; keeps the digest's context. */
void bodyBegin(Body *body);

/* Take the next octets, cut anywhere. Returns how many belong to the body. */
size_t bodyTake(Body *body, const char *octets, size_t count);

#endif
